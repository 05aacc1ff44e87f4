"""The folder that keeps compiled convolutions from one process to the next.

A library is published under its key: written in another folder, loaded, then renamed, and never changed again. It is
followed by a SHA-256 of key and content, so that a file that was truncated, damaged or exchanged is noticed; the loader
ignores trailing bytes. A lock for each key lets one process at a time make a library; loading one takes no lock and
need not write. trust.py says who is trusted.
"""

import errno
import logging
import os
import re
import shutil
import stat
import sys
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

from .console import complain, say
from .errors import CacheError, ResNet50Error
from .trust import ADVICE, cache_folder

LIMIT = 128 * 2**20  # bytes; a library has 15 to 30 KB, and a network needs about 20 of them for each picture size
SOON, ALONE = 1.0, 30.0  # seconds until waiting for another process is reported, and until it ends
LONGEST = 3600  # seconds after which no compiler is still running
DIGEST = sha256().digest_size
ENTRY = re.compile(r"[0-9a-f]{64}(\.\w+)?\.(so|lock|part)")  # the name of what is kept under a key

Loaded = TypeVar("Loaded")


@dataclass
class Patience:
    """The patience of one load's threads with other processes: it ends for all of them at once."""

    watched: bool = False  # whether somebody shows `words`; otherwise they are logged
    waiting: dict[Path, str] = field(default_factory=dict)  # for a library: who has its lock
    logged: bool = False
    ended: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def words(self) -> str:
        """A sentence that says which process is being waited for, or "" if none is."""
        return next(iter(list(self.waiting.values())), "")

    def note(self, library: Path) -> None:
        """Notes who is being waited for, and logs it once: as a warning, which Python shows on stderr by default."""
        if other := holder(library):
            self.waiting[library] = f"waiting for {other} to compile the same convolution; at most {ALONE:.0f} s"
            if not self.watched and not self.logged:
                logging.getLogger("resnet50").warning(self.words)
            self.logged = True


def load_or_make(
    key: str, make: Callable[[Path], None], load: Callable[[str, Path], Loaded], patience: Patience
) -> Loaded:
    """What `load` returns for the library `key`, which `make` writes to a file if it is not there yet.

    `load` gets a name to open the library by, and a path for error messages. If another process is making the same
    library, this one waits until it is cancelled or `patience` ends; then it makes the library too. Raises `CacheError`
    if the folder cannot be used, and what `make` and `load` raise.
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
    """Holds the lock on a library; when patience ends, as with a process that is stopped, it goes on without the lock.

    Making a library without the lock only costs time. Raises `CacheError` if the waiting is cancelled.
    """
    own = lock(library)
    for seconds in (SOON, ALONE - SOON):
        with suppress(Timeout):
            own.acquire(timeout=0 if patience.ended else seconds, cancel_check=patience.cancelled.is_set)
            break
        if patience.cancelled.is_set():
            raise CacheError(f"{library}: another process held the lock until the wait was cancelled")
        patience.note(library)
    else:
        patience.ended = True
    patience.waiting.pop(library, None)
    try:
        yield
    finally:
        own.release()


def holder(library: Path) -> str:
    """Which other process holds the lock on a library, if the system says so (Linux does); "" if this one holds it."""
    with suppress(OSError):
        inode = library.with_suffix(".lock").stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, process, file, *_ = line.split()  # 1: FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF
            if kind == "FLOCK" and file.endswith(f":{inode}") and int(process) > 0:
                return f"process {process}" if int(process) != os.getpid() else ""
    return "another process"


def lock(library: Path) -> FileLock:
    """A lock on a library, for one thread of one process.

    filelock before 3.24.2 could lock a file that `remove` had removed, and then two threads held the lock.
    """
    return FileLock(library.with_suffix(".lock"), mode=0o600, thread_local=False)


def load_intact(library: Path, key: str, load: Callable[[str, Path], Loaded]) -> Loaded | None:
    """What `load` returns for a library.

    None if the library does not exist, is not what was published under this key, or could be written by somebody else.
    """
    try:
        with open(library, "rb", opener=open_itself) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return None
            content = file.read()
            if content[-DIGEST:] != digest(content[:-DIGEST], key):
                return None
            with suppress(OSError):  # the file system may be read-only
                os.utime(file.fileno())  # the least recently used ones are removed first
            return load(name_of(file, key), library)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EISDIR):
            return None
        raise


def name_of(file: BinaryIO, key: str) -> str:
    """A name by which the loader opens this very file, whatever has happened to the name it was opened by.

    If glibc already has a library of the same name, it returns that one, and descriptor numbers are soon reused. So the
    key is part of the name, its bits written as / and ./, which do not change the path. At worst glibc returns a
    library of this key that was checked and loaded earlier. Without /proc (macOS) it is the name that the file was
    opened by: nobody else can give that to another file in a folder that `cache_folder` has checked.
    """
    bits = f"{int(key, 16):b}".replace("0", "/").replace("1", "./")
    name = f"/proc/self/fd/{bits}{file.fileno()}"
    with suppress(OSError):
        if os.path.samestat(os.stat(name), os.fstat(file.fileno())):
            return name
    return file.name


def open_itself(path: str, flags: int) -> int:
    """For `open`: follows no link, and does not wait for a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def digest(content: bytes, key: str) -> bytes:
    """The checksum that follows a library's last byte."""
    return sha256(key.encode() + content).digest()


def publish(library: Path, key: str, make: Callable[[Path], None], load: Callable[[str, Path], Loaded]) -> Loaded:
    """Makes the library in a folder of its own, loads it, and then moves it to its name in one step.

    So a library that cannot be loaded is not kept. Nobody else can enter that folder: the compiler's umask, or an
    access control list, might let others open the file while it is being written, and they could still write to it once
    it is trusted.
    """
    for left in library.parent.glob(f"{key}.*.part"):  # of a process that was killed, if old enough
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
    """Removes the least recently used libraries that nobody has locked, until the rest is within LIMIT."""
    libraries = []
    for library in folder.glob("*.so"):
        with suppress(FileNotFoundError):  # another process may be removing it too
            libraries.append((library.stat().st_mtime_ns, library.stat().st_size, library))
    total = sum(size for _, size, _ in libraries)
    for _, size, library in sorted(libraries):
        if total <= LIMIT:
            return
        with suppress(Timeout), lock(library).acquire(blocking=False):
            remove(library)
            total -= size


def remove(library: Path) -> None:
    """Removes a library and its lock, which this thread holds; whoever waits for it notices, and makes another."""
    library.unlink(missing_ok=True)
    library.with_suffix(".lock").unlink(missing_ok=True)


def empty(folder: Path) -> int:
    """Removes every library, and what killed processes left of others; returns how many libraries were removed.

    What another process is making stays, and so does everything that this file did not put there.
    """
    removed = 0
    for key in sorted({entry.name.partition(".")[0] for entry in folder.iterdir() if ENTRY.fullmatch(entry.name)}):
        library = folder / f"{key}.so"
        with suppress(Timeout), lock(library).acquire(blocking=False):
            removed += library.exists()
            remove(library)
            for part in folder.glob(f"{key}.*.part"):
                shutil.rmtree(part)  # a folder, see `publish`
    return removed


def main() -> int:
    """Empties the cache, for `python -m resnet50.cache`; returns the exit code."""
    try:
        folder = cache_folder()
        say(f"{folder}: {empty(folder)} compiled convolutions removed")
    except (ResNet50Error, OSError) as error:
        complain(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
