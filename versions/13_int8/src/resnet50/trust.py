"""Who is trusted with compiled code: where its folder is, and checks that nobody else can put anything there."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import CacheError

ADVICE = "set RESNET50_CACHE to a folder of your own that nobody else can write to"
WRITABLE = (
    "{folder}: other users can write to {place} and so change what is run from there; "
    f"remove it, since they may have done so, or {ADVICE}"
)


def cache_folder() -> Path:
    """$RESNET50_CACHE, else $XDG_CACHE_HOME/resnet50, else ~/.cache/resnet50; created if it does not exist.

    Its files are run as code, so only root and this user may be able to put them there:

    - Every folder and link on the path from / belongs to root or to this user. No other user can write to a folder on
      the path, unless it is sticky like /tmp: there only an entry's owner, the folder's owner or root can exchange the
      entry. Each folder is checked before anything in it is looked at, so nothing can be exchanged after its check. The
      returned path has no links.
    - The last folder belongs to this user, and no other user can write to it.
    - A group without other members does not count as another user: under umask 002, Debian's default for users with
      such a group, it can write to everything that they create. That permission is removed from the last folder, in
      case somebody joins the group. If it cannot be removed, as on a read-only file system, the folder is used as it
      is: every process checks again that the group has no other member. A folder that others could write to is
      rejected, not repaired: what they put there would stay, and it may be one of this user's own files, moved there.
    - A library is opened once. Its owner, permissions and digest are checked through that descriptor, and it is loaded
      through it (`load_intact` and `name_of` in cache.py).

    Raises `CacheError` if one of these conditions does not hold, or if the folder cannot be created.
    """
    folder = location()
    try:
        for place, found in walk(folder):
            check(place, found, folder)
        if not stat.S_ISDIR(found.st_mode):
            raise CacheError(f"{place}: is not a folder, so compiled code cannot be kept there; {ADVICE}")
        if found.st_uid != os.geteuid():
            raise CacheError(f"{place}: belongs to another user, who could change what is run from there; {ADVICE}")
        if others_can_write(place, found):  # a sticky one
            raise CacheError(WRITABLE.format(folder=folder, place=place))
        if found.st_mode & 0o022:
            with suppress(OSError):
                place.chmod(stat.S_IMODE(found.st_mode) & ~0o022)
        return place
    except OSError as error:
        raise CacheError(f"{folder}: the cache folder cannot be created: {error.strerror}; {ADVICE}") from error


def walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each folder and link on an absolute path, from / on, with its status; folders that are missing are created.

    The last one is the folder itself, without links. Raises `OSError`.
    """
    here, names = Path("/"), list(reversed(folder.parts[1:]))
    yield here, here.lstat()
    while names:
        place = here / names.pop()
        with suppress(FileExistsError):
            if not os.path.lexists(place):
                place.mkdir(mode=0o700)
        found = place.lstat()
        if place.name == "..":
            place = here.parent
        yield place, found
        if stat.S_ISLNK(found.st_mode):
            place.stat()  # raises if the link leads nowhere, or to itself
            target = here / place.readlink()
            here, place = Path("/"), Path("/")
            names += reversed(target.parts[1:])
        here = place


def check(place: Path, found: os.stat_result, folder: Path) -> None:
    """Raises `CacheError` if another user could exchange an entry of `place`, which is on the path to `folder`."""
    if found.st_uid not in (0, os.geteuid()):
        raise CacheError(
            f"{folder}: {place} belongs to another user, who could change what is run from there; {ADVICE}"
        )
    if stat.S_ISDIR(found.st_mode) and not found.st_mode & stat.S_ISVTX and others_can_write(place, found):
        raise CacheError(WRITABLE.format(folder=folder, place=place))


def others_can_write(place: Path, found: os.stat_result) -> bool:
    """Whether a user who is neither the owner nor root can write to a folder."""
    if found.st_mode & 0o022 == 0o020:
        return has_list(place) or not is_private(found.st_gid)
    return bool(found.st_mode & 0o022)


def has_list(place: Path) -> bool:
    """Whether a folder has an access control list (Linux): then the group permission is the most that it grants."""
    try:
        return "system.posix_acl_access" in os.listxattr(place)
    except (AttributeError, OSError):  # another system, or a file system without such lists
        return False


def is_private(group: int) -> bool:
    """Whether a group has this user's name and no other member, according to the system's lists."""
    import grp  # not on Windows
    import pwd

    try:
        name, members = grp.getgrgid(group).gr_name, set(grp.getgrgid(group).gr_mem)
        members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == group}
        return members == {name} == {pwd.getpwuid(os.geteuid()).pw_name}
    except KeyError:  # a number without a name
        return False


def location() -> Path:
    """Where the folder should be; raises `CacheError` if that is undefined."""
    if own := os.environ.get("RESNET50_CACHE"):
        try:
            return Path(own).absolute()
        except OSError as error:
            raise CacheError(f"RESNET50_CACHE is {own!r}, in a folder that is no longer there; {ADVICE}") from error
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG base directory specification: a relative path must be ignored
        return Path(xdg) / "resnet50"
    try:
        return Path.home() / ".cache" / "resnet50"
    except RuntimeError as error:
        raise CacheError(f"there is no home folder to keep compiled code in; {ADVICE}") from error
