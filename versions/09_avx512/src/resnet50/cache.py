"""The folder in which compiled convolutions are kept from one process to the next.

A library is published under its key: written in another folder, loaded, then renamed, and never changed again. Behind
its last byte stands a SHA-256 of key and content, so that a file that was cut short, damaged or exchanged is noticed;
the loader ignores trailing bytes. A lock for each key lets one process at a time make a library; loading one takes no
lock and need not write. trust.py says who is trusted.
"""

import errno
import logging
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, TypeVar

from filelock import FileLock, Timeout

from .errors import CacheError
from .trust import ADVICE, cache_folder

LIMIT = 128 * 2**20  # bytes; a library has 15 to 30 KB, a full network about 20 of them for each picture size
SOON, ALONE = 1.0, 30.0  # seconds before waiting for another process is reported, and before it ends
LONGEST = 3600  # seconds in which every compiler has ended
DIGEST = sha256().digest_size

Loaded = TypeVar("Loaded")


@dataclass
class Patience:
    """How long the threads of one load wait for other processes: it ends for all of them at once."""

    watched: bool = False  # somebody shows `words`; else they are logged
    waiting: dict[Path, str] = field(default_factory=dict)  # for a library: who has its lock
    told: bool = False
    ended: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def words(self) -> str:
        """Who is waited for, as a sentence; "" if nobody is."""
        return next(iter(list(self.waiting.values())), "")

    def tell(self, library: Path) -> None:
        """Says who is waited for; once, where that is logged: as a warning, which is shown on stderr by default."""
        if other := holder(library):
            self.waiting[library] = f"waiting for {other}, which compiles the same convolution; at most {ALONE:.0f} s"
            if not self.watched and not self.told:
                logging.getLogger("resnet50").warning(self.words)
            self.told = True


def load_or_make(
    key: str, make: Callable[[Path], None], load: Callable[[str, Path], Loaded], patience: Patience
) -> Loaded:
    """`load`s the library `key`, which `make` writes into the file that it is given if it was not made earlier.

    `load` is given a name to open it by, and one to call it in errors. Another process that makes the same is waited
    for, until it is cancelled or `patience` ends: then it is made here too. Raises `CacheError` if the folder cannot be
    used, and what `make` and `load` raise.
    """
    folder = cache_folder()
    library = folder / f"{key}.so"
    try:
        if made := load_intact(library, key, load):
            return made
        with turn(library, patience):
            if not (made := load_intact(library, key, load)):
                made = publish(library, key, make, load)
                shrink(folder)
            return made
    except OSError as error:
        reason = error.strerror or error
        raise CacheError(f"{folder}: compiled code cannot be kept there: {reason}; {ADVICE}") from error


@contextmanager
def turn(library: Path, patience: Patience) -> Iterator[None]:
    """The lock on a library while nobody else has it; without it when patience ends, as with a process that is stopped.

    Making a library without it costs only time. Raises `CacheError` if the waiting is cancelled.
    """
    own = lock(library)
    for seconds in (SOON, ALONE - SOON):
        with suppress(Timeout):
            own.acquire(timeout=0 if patience.ended else seconds, cancel_check=patience.cancelled.is_set)
            break
        if patience.cancelled.is_set():
            raise CacheError(f"{library}: another process had the lock until the waiting was cancelled")
        patience.tell(library)
    else:
        patience.ended = True
    patience.waiting.pop(library, None)
    try:
        yield
    finally:
        own.release()


def holder(library: Path) -> str:
    """Which other process has the lock on a library, as far as the system tells (Linux does); "" if this one has it."""
    with suppress(OSError):
        inode = library.with_suffix(".lock").stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, process, file, *_ = line.split()  # 1: FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF
            if kind == "FLOCK" and file.endswith(f":{inode}") and int(process) > 0:
                return f"process {process}" if int(process) != os.getpid() else ""
    return "another process"


def lock(library: Path) -> FileLock:
    """A lock on a library for one thread of one process. Earlier filelocks than 3.24.2 could lock a file that `shrink`
    had removed, and then two had the lock."""
    return FileLock(library.with_suffix(".lock"), mode=0o600, thread_local=False)


def load_intact(library: Path, key: str, load: Callable[[str, Path], Loaded]) -> Loaded | None:
    """What `load` makes of a library if it is there, nobody else could have written it, and it is what was published
    under this key; else None."""
    try:
        with open(library, "rb", opener=open_itself) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return None
            content = file.read()
            if content[-DIGEST:] != digest(content[:-DIGEST], key):
                return None
            with suppress(OSError):  # of a file system that is read-only
                os.utime(file.fileno())  # the least recently used go first
            return load(name_of(file, key), library)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EISDIR):
            return None
        raise


def name_of(file: BinaryIO, key: str) -> str:
    """A name by which the loader opens this very file, whatever has become of the name it was opened by.

    If glibc has a library of the same name, it returns that one, and descriptor numbers are soon reused. So the key is
    part of the name, its bits written as / and ./, which lead nowhere. At worst glibc returns a library of this key
    that was checked and loaded before. Without /proc (macOS) it is the name that the file was opened by,
    which nobody else can give to another file in a folder that is `cache_folder`'s.
    """
    bits = f"{int(key, 16):b}".replace("0", "/").replace("1", "./")
    name = f"/proc/self/fd/{bits}{file.fileno()}"
    with suppress(OSError):
        if os.path.samestat(os.stat(name), os.fstat(file.fileno())):
            return name
    return file.name


def open_itself(path: str, flags: int) -> int:
    """For `open`: no link is followed, and no pipe is waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def digest(content: bytes, key: str) -> bytes:
    """What stands behind the last byte of a library."""
    return sha256(key.encode() + content).digest()


def publish(library: Path, key: str, make: Callable[[Path], None], load: Callable[[str, Path], Loaded]) -> Loaded:
    """Has the library made in a folder of its own, loads it, and then gives it its name, in one step.

    So what cannot be loaded is not kept. Nobody else can enter that folder: the compiler's umask, or an access control
    list, might let others open what it is writing, and they could still write to it when it is trusted.
    """
    for left in library.parent.glob(f"{key}.*.part"):  # by a process that was killed, if it is old enough
        with suppress(FileNotFoundError):
            if time.time() - left.lstat().st_mtime > LONGEST:
                shutil.rmtree(left)
    # A new folder each time, with mode 0700: what an earlier attempt left may still be mapped, so it must not change.
    private = Path(mkdtemp(".part", f"{key}.", library.parent))
    part = private / "library.so"
    try:
        make(part)
        with open(part, "r+b", opener=open_itself) as file:
            content = file.read()
            file.write(digest(content, key))
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o700)
            made = load(name_of(file, key), library)
        part.replace(library)
        return made
    finally:
        shutil.rmtree(private)


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
