"""Trust in compiled code: an attacker beside the cache folder, or above it, cannot have their own code run."""

import ctypes
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from resnet50 import CacheError, CompilerError, cache, compiler, trust
from resnet50.compiler import Compiler
from test_compiler import CONV, folder, libraries, load, refused, run

__all__ = ["folder"]  # the fixture: an empty cache

TRIES = 1000
LOAD = """from resnet50.compiler import load
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution"""
NOBODY = 65534

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache needs a system with users")
TWO_USERS = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as two users, or give a folder away"
)
MOUNTS = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="needs Linux's mount namespaces, and root, since for others / belongs to somebody else there",
)


@pytest.fixture
def place():
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def hostile(tmp_path):
    """A library that creates a file when it is loaded, and the path of that file."""
    mark, library = tmp_path / "harmed", tmp_path / "hostile.so"
    text = f"""#include <fcntl.h>
    __attribute__((constructor)) static void harm(void) {{ open("{mark}", O_CREAT | O_WRONLY, 0600); }}
    const long sizes[11] = {{1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1}};
    void conv2d(void) {{}}"""
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=text.encode(), check=True)
    return library, mark


def plant(hostile, library):
    """Puts the hostile code in a library's place, with a valid digest: anybody can compute it."""
    content = hostile.read_bytes()
    library.write_bytes(content + cache.digest(content, library.stem))
    library.chmod(0o722)  # like a stranger's file: others could have written it


@contextmanager
def attacker(attack, user=None):
    """A process that attacks over and over, as another user if `user` is given."""
    process = os.fork()
    if process == 0:
        if user:
            os.setgid(user)
            os.setuid(user)
        while True:
            with suppress(OSError):
                attack()
    try:
        yield
        assert os.waitpid(process, os.WNOHANG) == (0, 0)  # it is still attacking
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def load_kept(library, content):
    """Loads a library as a network does, but in this thread; if it is missing, it is made with this `content`."""
    return cache.load_or_make(
        library.stem, lambda part: part.write_bytes(content), compiler.load_library, cache.Patience()
    )


def exchange(one, other):
    """Exchanges two folders in one step (Linux's renameat2), elsewhere in three."""
    here, at_once = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if sys.platform != "linux" or ctypes.CDLL(None).renameat2(here, bytes(one), here, bytes(other), at_once) < 0:
        one.rename(one.with_suffix(".aside"))
        other.rename(one)
        one.with_suffix(".aside").rename(other)


@TWO_USERS
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("owner", "mode", "words"), [(NOBODY, 0o755, "belongs to another user"),
                                                      (0, 0o777, "other users can write")])  # fmt: skip
def test_an_attacker_who_can_exchange_the_folder_cannot_have_code_run(
    folder, place, hostile, monkeypatch, owner, mode, words
):
    """The attack is tried a thousand times, on a cache that was good before."""
    good, evil = place / "cache", place / "evil"
    monkeypatch.setenv("RESNET50_CACHE", str(good))
    load()
    [library] = libraries(good)
    content = library.read_bytes()[: -cache.DIGEST]
    shutil.copytree(good, evil)
    plant(hostile[0], evil / library.name)
    place.chmod(mode)
    os.chown(place, owner, owner)
    os.chown(evil, NOBODY, NOBODY)
    with attacker(lambda: exchange(good, evil), NOBODY):
        for _ in range(TRIES):
            with pytest.raises(CacheError, match=words):
                load_kept(library, content)
        compiler.loaded.clear()
        with pytest.raises(CacheError, match=words):
            load()
    assert not hostile[1].exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_library_that_is_loaded_is_the_one_that_was_checked(folder, hostile):
    """Even if another process of this user exchanges the folder between the check and the loading."""
    load()
    [library] = libraries(folder)
    content, evil = library.read_bytes()[: -cache.DIGEST], folder.with_name("evil")
    evil.mkdir(mode=0o700)
    planted = evil.with_name(library.name)
    plant(hostile[0], planted)

    def attack():
        with suppress(FileExistsError):
            os.link(planted, evil / "next")
        os.replace(evil / "next", evil / library.name)
        exchange(folder, evil)
        exchange(folder, evil)

    def attempt():
        with suppress(CacheError):  # the folder was suddenly another one
            return load_kept(library, content)

    compiler.loaded.clear()
    with attacker(attack):
        assert sum(attempt() is not None for _ in range(TRIES)) > 0
    assert not hostile[1].exists()
    compiler.load_library(str(planted), planted)
    assert hostile[1].exists()  # the planted library does run when it is loaded


@TWO_USERS
@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_a_folder_in_another_users_is_refused_before_anything_is_made_there(place, weights_dir, variable):
    """`su` can leave HOME at another user's folder."""
    os.chown(place, NOBODY, NOBODY)
    settings = {"RESNET50_CACHE": "", "XDG_CACHE_HOME": "", variable: str(place)}
    done = run("bench", "--size", "32", "--weights", weights_dir, **settings)
    refused(done, str(place), "belongs to another user", "set RESNET50_CACHE")
    assert not list(place.iterdir())


@TWO_USERS
def test_another_users_link_is_not_followed(place, monkeypatch):
    """It could lead to any folder of this user."""
    own = place / "own"
    own.mkdir(mode=0o700)
    (place / "link").symlink_to(own)
    place.chmod(0o1777)
    os.lchown(place / "link", NOBODY, NOBODY)
    monkeypatch.setenv("RESNET50_CACHE", str(place / "link" / "cache"))
    with pytest.raises(CacheError, match="belongs to another user"):
        trust.cache_folder()
    assert not list(own.iterdir())
    os.lchown(place / "link", 0, 0)
    assert trust.cache_folder() == own / "cache"


@TWO_USERS
def test_a_link_is_checked_to_its_end(place, monkeypatch):
    """Every folder that it leads through is checked, also one that `..` leaves again."""
    theirs, own = place / "theirs", place / "own"
    theirs.mkdir()
    own.mkdir(mode=0o700)
    (own / "link").symlink_to(theirs / ".." / "own")
    monkeypatch.setenv("RESNET50_CACHE", str(own / "link"))
    assert trust.cache_folder() == own
    os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(CacheError, match="belongs to another user"):
        trust.cache_folder()


def test_a_folder_in_a_sticky_one_is_trusted(place, monkeypatch):
    place.chmod(0o1777)
    monkeypatch.setenv("RESNET50_CACHE", str(place / "cache"))
    assert trust.cache_folder() == place / "cache"
    place.chmod(0o777)
    with pytest.raises(CacheError, match="other users can write"):
        trust.cache_folder()


def test_a_folder_made_under_umask_002_is_used_and_then_only_its_owner_can_write_to_it(folder, monkeypatch):
    """Its group is this user's private group, as is that of the folder around it."""
    if not trust.is_private(os.getegid()):
        pytest.skip("this user has no private group")
    monkeypatch.setenv("RESNET50_CACHE", str(folder / "resnet50"))
    before = os.umask(0o002)
    try:
        (folder / "resnet50").mkdir(parents=True)
    finally:
        os.umask(before)
    assert (folder / "resnet50").stat().st_mode & 0o777 == folder.stat().st_mode & 0o777 == 0o775
    load()
    assert (folder / "resnet50").stat().st_mode & 0o777 == 0o755
    assert folder.stat().st_mode & 0o777 == 0o775  # the folder around it stays as it is


@TWO_USERS
@pytest.mark.parametrize("inside", [".", "resnet50"])
def test_a_folder_that_a_group_with_others_can_write_is_refused(folder, monkeypatch, inside):
    folder.mkdir()
    os.chown(folder, 0, 65533)
    folder.chmod(0o770)
    monkeypatch.setenv("RESNET50_CACHE", str(folder / inside))
    with pytest.raises(CacheError, match="other users can write"):
        load()
    assert not list(folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="needs Linux's access control lists")
def test_a_folder_that_others_can_write_by_an_access_control_list_is_refused(folder):
    """Its permission bits look as if only its group could write to it."""
    folder.mkdir(mode=0o700)
    owner, user, group, mask, other, everything, none = 1, 2, 4, 16, 32, 7, 2**32 - 1
    entries = [(owner, everything, none), (user, everything, NOBODY), (group, 0, none), (mask, everything, none),
               (other, 0, none)]  # fmt: skip
    content = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(folder, "system.posix_acl_access", content)
    except OSError:
        pytest.skip("this file system has no access control lists")
    assert folder.stat().st_mode & 0o777 == 0o770
    with pytest.raises(CacheError, match="other users can write"):
        load()


@TWO_USERS
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_nobody_else_can_open_the_file_that_the_compiler_is_writing(place, monkeypatch):
    """Through a descriptor opened then, the library could still be changed once it is trusted."""
    monkeypatch.setenv("RESNET50_CACHE", str(place / "cache"))
    (place / "cache").mkdir(mode=0o755)
    monkeypatch.setattr(compiler, "loaded", {})

    def attack():
        for path in (place / "cache").rglob("*"):
            if path.is_file() and path.suffix != ".lock":
                os.close(os.open(path, os.O_RDWR))
                os._exit(1)

    before = os.umask(0)
    try:
        with attacker(attack, NOBODY):
            for _ in range(20):
                load()
                libraries(place / "cache")[0].unlink()
                compiler.loaded.clear()
    finally:
        os.umask(before)


@MOUNTS
@pytest.mark.parametrize("mode", ["700", "775"])
def test_a_full_cache_on_a_read_only_file_system_is_used(tmp_path, mode):
    """Even one that the user's private group could write to if the file system were writable."""
    if mode == "775" and not trust.is_private(0):
        pytest.skip("root's group has other members here")
    (tmp_path / "mounted").mkdir()
    script = """mount -t tmpfs -o mode=700 none "$1" && "$0" -c "$2" && chmod "$3" "$1" &&
        mount -o remount,ro "$1" || exit 77
    CC="cc -DOTHER" "$0" -c "$2" && exit 1
    exec "$0" -c "$2\""""
    code = f"{LOAD}; load([{CONV}], instruction_set())"
    command = ["unshare", "--mount", "sh", "-c", script, sys.executable, tmp_path / "mounted", code, mode]
    variables = os.environ | {"RESNET50_CACHE": str(tmp_path / "mounted")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 77:
        pytest.skip(f"this system does not let a test mount: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "Read-only file system" in done.stderr  # the error of the run that had other flags


def test_loading_needs_no_lock(folder, monkeypatch):
    load()
    [library] = libraries(folder)
    compiler.loaded.clear()
    monkeypatch.setattr(cache, "lock", None)  # calling it would fail
    load()
    assert libraries(folder) == [library]


def test_an_intact_library_that_cannot_be_loaded_stays(folder, monkeypatch):
    """The fault may lie with this process alone."""
    load()
    [library] = libraries(folder)
    before = library.stat().st_ino
    compiler.loaded.clear()
    with monkeypatch.context() as patch:
        patch.setattr(compiler.ops, "load", lambda name: os.mkdir(b"/no/such/folder"))
        with pytest.raises(CompilerError, match="cannot be loaded"):
            load()
    monkeypatch.setattr(Compiler, "compile", None)  # calling it would fail
    load()
    assert library.stat().st_ino == before
