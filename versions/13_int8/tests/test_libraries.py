"""Libraries in the cache: each is compiled once, and again if it is damaged, left unfinished or not to be trusted."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import random
from resnet50 import CacheError, CompilerError, cache, compiler
from resnet50.compiler import Compiler
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution
from test_compiler import CONV, folder, libraries, load, program

__all__ = ["folder"]  # the fixture: an empty cache

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache needs a system with users")


def test_a_library_is_compiled_once_and_only_its_owner_can_reach_it(folder, monkeypatch):
    load()
    [library] = libraries(folder)
    made = library.stat()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert made.st_mode & 0o077 == 0
    assert not list(folder.glob("*.part"))
    compiler.loaded.clear()
    monkeypatch.setattr(Compiler, "compile", None)  # calling it would fail
    load()
    assert (library.stat().st_ino, library.stat().st_size) == (made.st_ino, made.st_size)


def test_other_flags_and_another_compiler_mean_other_libraries(folder, monkeypatch, tmp_path):
    keys = {Compiler(instruction_set()).key("text")}
    monkeypatch.setenv("RESNET50_CFLAGS", "-O1 -DNAME='two words'")
    keys.add(Compiler(instruction_set()).key("text"))
    assert "-DNAME=two words" in Compiler(instruction_set()).command
    monkeypatch.setenv("CC", program(tmp_path, 'echo "my cc 1.0"'))
    keys.add(Compiler(instruction_set()).key("text"))
    keys.add(Compiler(instruction_set()).key("other text"))
    assert len(keys) == 4


def test_a_new_version_of_the_compiler_means_other_libraries(folder, monkeypatch, tmp_path):
    keys = set()
    for number in (1, 2):
        monkeypatch.setenv("CC", program(tmp_path, f"echo my cc {number}.0"))
        compiler.version.cache_clear()
        keys.add(Compiler(instruction_set()).key("text"))
    assert len(keys) == 2


@pytest.mark.parametrize("harm", ["truncate", "zero", "flip", "empty", "exchange"])
def test_a_damaged_library_is_noticed_and_made_again(folder, harm):
    load()
    [library] = libraries(folder)
    content = library.read_bytes()
    load(Convolution(4, 5, 3, 8, 3, 3, 1, 1))
    [other] = set(libraries(folder)) - {library}
    harmed = {
        "truncate": content[: len(content) // 2],
        "zero": bytes(len(content)),
        "flip": content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
        "empty": b"",
        "exchange": other.read_bytes(),
    }[harm]
    replaced = library.with_suffix(".new")  # not overwritten: it is mapped into this process
    replaced.write_bytes(harmed)
    replaced.replace(library)
    compiler.loaded.clear()
    load()
    assert library.read_bytes() == content


def test_the_leftovers_of_a_killed_process_are_removed(folder):
    load()
    [library] = libraries(folder)
    left, new = (library.with_suffix(f".{number}.part") for number in (12345, 12346))
    for part in (left, new):
        part.mkdir()
        (part / "library.so").write_bytes(b"half a library")
    os.utime(left, (1, 1))
    library.unlink()
    compiler.loaded.clear()
    load()
    assert libraries(folder) == [library]
    assert not left.exists()
    assert new.exists()  # a process that has given up waiting for the lock may be writing it


def test_the_leftovers_of_an_earlier_attempt_are_not_overwritten(folder, monkeypatch):
    """A library left there may still be mapped: overwriting it would crash the process that uses it."""

    def fail(file, name):
        raise FileNotFoundError(2, "No such file or directory", str(file))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail)
        broken.setattr(cache.shutil, "rmtree", lambda folder: None)
        with pytest.raises(CacheError, match="No such file"):
            load()
    [left] = folder.glob("*.part/library.so")
    before = left.read_bytes(), left.stat().st_mtime_ns
    load()
    assert (left.read_bytes(), left.stat().st_mtime_ns) == before


def test_a_compiler_that_is_killed_with_its_process_leaves_nothing_that_hurts(folder, tmp_path):
    slow = program(tmp_path, 'case "$*" in *--version) echo 1;; *) exec sleep 60;; esac')
    code = "from test_compiler import load; load()"
    variables = os.environ | {"CC": slow, "PYTHONPATH": str(Path(__file__).parent)}
    child = subprocess.Popen([sys.executable, "-c", code], env=variables, start_new_session=True)
    while not list(folder.glob("*.lock")):
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    load()
    assert len(libraries(folder)) == 1


@pytest.mark.usefixtures("interruptible")
def test_control_c_while_a_library_is_compiled_leaves_nothing_that_hurts(folder, monkeypatch, tmp_path):
    interrupt = 'case "$*" in *--version) ;; *) kill -INT $PPID; sleep 0.1;; esac; exec cc "$@"'
    monkeypatch.setenv("CC", program(tmp_path, interrupt))
    with pytest.raises(KeyboardInterrupt):
        load()
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join()  # an executor interrupted while it starts a thread neither knows of it nor waits for it
    assert not list(folder.glob("*.part"))
    monkeypatch.delenv("CC")
    load()


def test_a_full_cache_loses_its_oldest_libraries_but_no_locked_one(folder, monkeypatch):
    shapes = [Convolution(2, width, 1, 1, 1, 1, 2, 0) for width in range(2, 7)]
    for age, conv in enumerate(shapes[:4]):
        before = set(folder.glob("*.so"))
        load(conv)
        [made] = set(libraries(folder)) - before
        os.utime(made, (age, age))
    oldest = sorted(libraries(folder), key=lambda file: file.stat().st_mtime)
    monkeypatch.setattr(cache, "LIMIT", 3 * max(file.stat().st_size for file in oldest))
    with cache.lock(oldest[0]):
        load(shapes[4])
    left = set(libraries(folder))
    assert len(left) == 3
    assert oldest[0] in left
    assert oldest[1] not in left
    assert not oldest[1].with_suffix(".lock").exists()
    compiler.loaded.clear()
    for conv in shapes:
        load(conv)


def test_a_library_that_is_used_again_is_no_longer_the_oldest(folder):
    load()
    [library] = libraries(folder)
    os.utime(library, (1, 1))
    compiler.loaded.clear()
    load()
    assert library.stat().st_mtime > 1


def test_threads_that_need_the_same_library_compile_it_once(folder, monkeypatch):
    compiled = []
    original = Compiler.compile
    monkeypatch.setattr(Compiler, "compile", lambda self, *rest: (compiled.append(1), original(self, *rest)))
    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compiled) == 1


PROCESS = """
import sys
import numpy as np
from resnet50 import ResNet50
sys.stdin.readline()
sys.stdout.buffer.write(ResNet50(sys.argv[1])(np.load(sys.argv[2])).tobytes())
"""


def test_sixteen_processes_that_begin_with_an_empty_cache_are_all_right(folder, net, weights_dir, tmp_path):
    image = random(4, 32, 32, 3)
    np.save(tmp_path / "image.npy", image)
    counter = tmp_path / "compiled"
    counter.touch()
    cc = program(tmp_path, f'case "$*" in *--version) ;; *) echo . >>"{counter}";; esac; exec cc "$@"')
    command = [sys.executable, "-c", PROCESS, str(weights_dir), str(tmp_path / "image.npy")]
    children = [
        subprocess.Popen(command, env=os.environ | {"CC": cc}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(16)
    ]
    for child in children:
        child.stdin.write(b"\n")
        child.stdin.flush()
    answers = [np.frombuffer(child.communicate(timeout=300)[0], np.float32) for child in children]
    assert len(counter.read_text().splitlines()) == len(libraries(folder)) > 20
    expected = net(image)
    for answer in answers:
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("harm", ["writable", "link"])
def test_a_library_that_others_could_have_written_is_not_loaded(folder, harm, tmp_path):
    load()
    [library] = libraries(folder)
    planted = tmp_path / "planted"
    planted.write_bytes(library.read_bytes())  # intact: only who could have written it matters
    planted.chmod(0o722 if harm == "writable" else 0o700)
    if harm == "link":
        library.unlink()
        library.symlink_to(planted)
    else:
        planted.replace(library)
    before = library.lstat().st_ino
    compiler.loaded.clear()
    load()
    assert library.lstat().st_ino != before
    assert library.lstat().st_mode & 0o170022 == 0o100000


def test_waiting_for_another_process_ends_when_another_convolution_fails(folder, monkeypatch, tmp_path):
    other = Convolution(4, 5, 3, 9, 3, 3, 1, 1)
    load(other)
    [library] = libraries(folder)
    compiler.loaded.clear()
    monkeypatch.setenv("CC", "cc")
    monkeypatch.setattr(Compiler, "compile", lambda *_: (_ for _ in ()).throw(CompilerError("no")))
    monkeypatch.setattr(compiler, "cpu_count", lambda: 2)
    with cache.lock(library), pytest.raises(CompilerError, match="no"):
        compiler.load([other, CONV], instruction_set())
