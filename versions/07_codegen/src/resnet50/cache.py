"""The folder in which compiled convolutions are kept from one process to the next.

A library is published under its key: written under another name, then renamed, and never changed again. Behind its
last byte stands a SHA-256 of key and content, so that a file that was cut short, damaged or exchanged is noticed; what
loads libraries does not read so far. A lock for each key lets one process at a time look it up or make it.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from .errors import CacheError

LIMIT = 128 * 2**20  # bytes; a library has 15 to 30 KB, a full network about 20 of them for each picture size
DIGEST = sha256().digest_size

Loaded = TypeVar("Loaded")


def cache_folder() -> Path:
    """$RESNET50_CACHE, else $XDG_CACHE_HOME/resnet50, else ~/.cache/resnet50; made if it is not there.

    Raises `CacheError` if it cannot be made, or if anybody else could put a library into it.
    """
    folder = location()
    try:
        for part in (*reversed(folder.parents), folder):
            part.mkdir(mode=0o700, exist_ok=True)  # with parents=True only the last one would be for its owner alone
        folder = folder.resolve()  # a link's owner could turn it elsewhere after this check
        found = folder.stat()
    except OSError as error:
        raise CacheError(f"{folder}: the cache folder cannot be made: {error.strerror}; {ADVICE}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise CacheError(f"{folder}: is no folder, so compiled code cannot be kept there; {ADVICE}")
    if found.st_uid != os.geteuid():
        raise CacheError(f"{folder}: belongs to another user, who could change what is run from there; {ADVICE}")
    if found.st_mode & 0o022:
        raise CacheError(
            f"{folder}: other users can write to it and so change what is run from there; "
            f"remove it, since they may have done so, or {ADVICE}"
        )
    return folder


ADVICE = "set RESNET50_CACHE to a folder of your own"


def location() -> Path:
    """Where the folder is to be; raises `CacheError` if there is no telling."""
    if own := os.environ.get("RESNET50_CACHE"):
        try:
            return Path(own).absolute()
        except OSError as error:
            raise CacheError(f"RESNET50_CACHE is {own!r}, in a folder that is no longer there; {ADVICE}") from error
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG base directory specification: a relative path is to be ignored
        return Path(xdg) / "resnet50"
    try:
        return Path.home() / ".cache" / "resnet50"
    except RuntimeError as error:
        raise CacheError(f"there is no home folder to keep compiled code in; {ADVICE}") from error


def load_or_make(
    key: str, make: Callable[[Path], None], load: Callable[[Path], Loaded], cancelled: Callable[[], bool]
) -> Loaded:
    """`load`s the library `key`, which `make` writes into the file that it is given if it was not made earlier.

    Another process that is at it is waited for, until `cancelled`. Raises `CacheError` if the folder cannot be used,
    and what `make` and `load` raise.
    """
    folder = cache_folder()
    library = folder / f"{key}.so"
    try:
        with lock(library).acquire(cancel_check=cancelled):
            if not intact(library, key):
                publish(library, key, make)
                shrink(folder)
            os.utime(library)  # the least recently used go first
            return load(library)
    except Timeout as error:
        raise CacheError(f"{library}: another process had the lock until the waiting was cancelled") from error
    except OSError as error:
        reason = error.strerror or error
        raise CacheError(f"{folder}: compiled code cannot be kept there: {reason}; {ADVICE}") from error


def lock(library: Path) -> FileLock:
    """A lock on a library for one thread of one process. Earlier filelocks than 3.24.2 could lock a file that `shrink`
    had removed, and then two had the lock."""
    return FileLock(library.with_suffix(".lock"), mode=0o600, thread_local=False)


def intact(library: Path, key: str) -> bool:
    """Whether the library is there, nobody else could have written it, and it is what was published under this key."""
    try:
        with open(library, "rb", opener=open_itself) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return False
            content = file.read()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EISDIR):
            return False
        raise
    return content[-DIGEST:] == digest(content[:-DIGEST], key)


def open_itself(path: str, flags: int) -> int:
    """For `open`: no link is followed, and no pipe is waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def digest(content: bytes, key: str) -> bytes:
    """What stands behind the last byte of a library."""
    return sha256(key.encode() + content).digest()


def publish(library: Path, key: str, make: Callable[[Path], None]) -> None:
    """Has the library made under a name of its own, and then gives it its name, in one step."""
    for left in library.parent.glob(f"{key}.*.part"):  # by a process that was killed; this one has the lock
        left.unlink()
    part = library.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
    try:
        make(part)
        with part.open("r+b") as file:
            content = file.read()
            file.write(digest(content, key))
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o700)
        part.replace(library)
    finally:
        part.unlink(missing_ok=True)


def shrink(folder: Path) -> None:
    """Removes the least recently used libraries that nobody is just loading, until the rest is within LIMIT."""
    libraries = []
    for library in folder.glob("*.so"):
        with suppress(FileNotFoundError):  # another process is at it too
            libraries.append((library.stat().st_mtime_ns, library.stat().st_size, library))
    total = sum(size for _, size, _ in libraries)
    for _, size, library in sorted(libraries):
        if total <= LIMIT:
            return
        with suppress(Timeout), lock(library).acquire(blocking=False):
            library.unlink(missing_ok=True)
            library.with_suffix(".lock").unlink(missing_ok=True)  # who waits for it sees that, and makes a new one
            total -= size
