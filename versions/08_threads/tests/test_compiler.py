"""The compiler and the cache: whatever is wrong with them gets its own sentence, and never a wrong answer."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from adapter import prepare
from conftest import random
from resnet50 import CacheError, CompilerError, cache, compiler, trust
from resnet50.compiler import Compiler
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution

CONV = Convolution(4, 5, 3, 7, 3, 3, 1, 1)
CLOSED = "resnet50: cannot write the output: standard output is closed\n"

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache is for systems with users")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, in a process that has loaded nothing."""
    prepare()
    monkeypatch.setenv("RESNET50_CACHE", str(tmp_path / 'a cache\'s "folder"'))
    monkeypatch.setattr(compiler, "loaded", {})
    return Path(os.environ["RESNET50_CACHE"])


def load(conv=CONV):
    return compiler.load([conv], instruction_set())[conv]


def libraries(folder):
    return sorted(folder.glob("*.so"))


def program(tmp_path, text):
    """An executable shell script, to be a compiler; its name asks for quotes."""
    file = tmp_path / "my 'cc'"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return f'"{file}"'


def run(*arguments, **variables):
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "resnet50", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=120, check=False)


def refused(done, *words):
    """One line on stderr with these words, exit code 2."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_the_cache_lies_where_the_variables_say(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for own, xdg, expected in [
        ("/own", "/xdg", "/own"),
        ("own", "/xdg", os.path.abspath("own")),
        ("", "/xdg", "/xdg/resnet50"),
        ("", "xdg", "/home/somebody/.cache/resnet50"),
        ("", "", "/home/somebody/.cache/resnet50"),
    ]:
        monkeypatch.setenv("RESNET50_CACHE", own)
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
        assert trust.location() == Path(expected)


def test_a_library_is_compiled_once_and_only_its_owner_can_reach_it(folder, monkeypatch):
    load()
    [library] = libraries(folder)
    made = library.stat()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert made.st_mode & 0o077 == 0
    assert not list(folder.glob("*.part"))
    compiler.loaded.clear()
    monkeypatch.setattr(Compiler, "compile", None)  # to call it would fail
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


def test_as_many_compilers_work_side_by_side_as_there_are_processors(folder, monkeypatch, tmp_path):
    at_work = tmp_path / "at work"
    at_work.mkdir()
    wait = f"""
case "$*" in *--version) exit;; esac
touch "{at_work}/$$"
for i in $(seq 1000); do
    [ $(ls "{at_work}" | wc -l) = 2 ] && exec cc "$@"
    sleep 0.01
done
exit 1"""  # no other has come
    monkeypatch.setenv("CC", program(tmp_path, wait))
    monkeypatch.setattr(compiler, "cpu_count", lambda: 2)
    compiler.load([CONV, Convolution(4, 5, 3, 9, 3, 3, 1, 1)], instruction_set())
    assert len(libraries(folder)) == 2


def test_the_instruction_set_is_named_and_arithmetic_is_not_loosened():
    command = " ".join(Compiler(instruction_set()).command)
    assert "-mavx2 -mfma" in command
    assert "-ffp-contract=off" in command
    assert not any(word in command for word in ("native", "fast", "Ofast"))


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
    replaced = library.with_suffix(".new")  # not written over: it is mapped into this process
    replaced.write_bytes(harmed)
    replaced.replace(library)
    compiler.loaded.clear()
    load()
    assert library.read_bytes() == content


def test_what_a_killed_process_left_is_removed(folder):
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
    assert new.exists()  # another process may be at it, which has given up waiting for the lock


def test_what_an_earlier_attempt_left_is_not_rewritten(folder, monkeypatch):
    """It may still be mapped: the next attempt would crash in the library of this one."""

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
        thread.join()  # an executor that is interrupted while it starts a thread does not know of it, nor wait for it
    assert not list(folder.glob("*.part"))
    monkeypatch.delenv("CC")
    load()


def test_the_oldest_libraries_go_when_the_cache_is_full_but_none_that_is_locked(folder, monkeypatch):
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


def test_threads_that_want_the_same_compile_it_once(folder, monkeypatch):
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


@pytest.mark.parametrize(
    ("cc", "words"),
    [
        ("no-such-compiler", ["no-such-compiler", "install gcc or clang, or set CC"]),
        ("/bin/false", ["/bin/false", "exit code 1"]),
        ("/bin/true", ["/bin/true", "wrote no library"]),
        ("/etc/passwd", ["/etc/passwd"]),
        ("'unbalanced", ["CC cannot be split"]),
        ("cc; touch harmed", ["no C compiler 'cc;'"]),
        ("cc $(touch harmed)", ["exit code"]),
    ],
)
def test_a_compiler_that_is_none_gets_a_sentence(folder, weights_dir, tmp_path, monkeypatch, cc, words):
    monkeypatch.chdir(tmp_path)
    done = run("bench", "--size", "32", "--weights", weights_dir, CC=cc)
    refused(done, *words)
    assert not (tmp_path / "harmed").exists()


def test_a_compiler_that_fails_is_quoted(folder, weights_dir):
    done = run("bench", "--size", "32", "--weights", weights_dir, RESNET50_CFLAGS="-DINT_MAX -include /no/such.h")
    refused(done, "/no/such.h", "No such file")
    assert not libraries(folder)
    done = run("bench", "--size", "32", "--weights", weights_dir, RESNET50_CFLAGS="-lnosuch")
    refused(done, "nosuch")


def test_what_is_no_library_is_refused_and_not_kept(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", program(tmp_path, 'for last; do :; done; [ "$1" = --version ] || echo rubbish >"$last"'))
    with pytest.raises(CompilerError, match="cannot be loaded"):
        load()
    assert not libraries(folder)


LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
runpy.run_module("resnet50", run_name="__main__")
"""


def test_a_full_disk_gets_a_sentence(folder, weights_dir):
    command = [sys.executable, "-c", LIMITED, "bench", "--size", "32", "--weights", str(weights_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    refused(done, "failed with exit code", "File size limit exceeded")
    assert not libraries(folder)


def test_a_folder_that_is_a_file_or_in_a_file_is_refused(folder, tmp_path, weights_dir):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "cache"):
        done = run("bench", "--size", "32", "--weights", weights_dir, RESNET50_CACHE=str(place))
        refused(done, str(place), "RESNET50_CACHE")


def test_folders_that_are_made_are_for_their_owner_alone(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("RESNET50_CACHE", str(tmp_path / "a" / "b" / "c"))
    before = os.umask(0)
    try:
        trust.cache_folder()
    finally:
        os.umask(before)
    for made in ("a", "a/b", "a/b/c"):
        assert (tmp_path / made).stat().st_mode & 0o777 == 0o700


def test_a_working_folder_that_is_gone_gets_a_sentence(folder, monkeypatch):
    monkeypatch.setenv("RESNET50_CACHE", "cache")
    monkeypatch.setattr(Path, "absolute", lambda path: os.stat("/no/such/folder"))
    with pytest.raises(CacheError, match="no longer there"):
        load()


@pytest.mark.parametrize("harm", ["writable", "link"])
def test_a_library_that_others_could_have_written_is_not_loaded(folder, harm, tmp_path):
    load()
    [library] = libraries(folder)
    planted = tmp_path / "planted"
    planted.write_bytes(library.read_bytes())  # as it should be: only who could have written it counts
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


@pytest.mark.parametrize("mode", [0o707, 0o777, 0o1777])
def test_a_folder_that_others_can_write_is_refused(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(CacheError, match="other users can write"):
        load()
    assert not list(folder.iterdir())


def test_a_folder_of_another_user_is_refused(folder, monkeypatch):
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(CacheError, match="belongs to another user"):
        load()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_that_cannot_be_written_is_refused(folder, weights_dir):
    done = run("bench", "--size", "32", "--weights", weights_dir, RESNET50_CACHE="/proc/1/cache")
    refused(done, "/proc/1/cache", "RESNET50_CACHE")


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("unshare"), reason="mounts in a namespace are Linux's")
def test_a_folder_mounted_noexec_is_refused(folder, weights_dir, tmp_path):
    folder.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o noexec,mode=700 none '{tmp_path}/mounted'"
    (tmp_path / "mounted").mkdir()
    script = f'{mount} || exit 77; "$0" -m resnet50 bench --size 32 --weights "$1"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, sys.executable, str(weights_dir)]
    variables = os.environ | {"RESNET50_CACHE": str(tmp_path / "mounted")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 2):
        pytest.skip(f"this system does not let a test mount: {done.stderr.strip()}")
    refused(done, "noexec", "RESNET50_CACHE")


def test_a_terminal_sees_progress_and_nobody_else(folder, monkeypatch, capsys, tmp_path):
    load()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(compiler, "QUIET", 0.001)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    compiler.loaded.clear()
    compiler.load([CONV, Convolution(4, 5, 3, 9, 3, 3, 1, 1)], instruction_set())
    err = capsys.readouterr().err
    assert re.search("compiling 2 convolutions, [01] done", err)
    assert err.endswith("\r\033[K")
    monkeypatch.setenv("CC", program(tmp_path, '[ "$1" = --version ] || { sleep 0.1; exit 1; }'))
    with pytest.raises(CompilerError):
        compiler.load([CONV], instruction_set())
    assert capsys.readouterr().err.endswith("\r\033[K")


def test_threads_that_cannot_be_made_are_done_without(folder, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError("no thread")))
    load()
    assert len(libraries(folder)) == 1


def test_stderr_need_not_be_there(folder, weights_dir):
    command = [sys.executable, "-m", "resnet50", "bench", "--size", "32", "--weights", str(weights_dir)]
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0


def test_the_c_is_written_for_the_reader(weights_dir, tmp_path):
    done = run("codegen", "--size", "64", "--out", tmp_path / "c", "--weights", weights_dir)
    assert done.returncode == 0
    assert "layer1.0.conv2, layer1.1.conv2, layer1.2.conv2" in done.stdout
    files = list((tmp_path / "c").glob("*.c"))
    assert f"{len(files)} files for 54 layers" in done.stdout
    command = [*Compiler(instruction_set()).command[:-3], "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "c.so"]
    for file in files[:2]:
        subprocess.run([*command, file], check=True)


@pytest.mark.parametrize(("redirection", "code"), [("| :", 0), (">&-", 2)])
def test_c_is_written_also_where_its_list_cannot_be_printed(redirection, code, weights_dir, tmp_path):
    command = [sys.executable, "-m", "resnet50", "codegen", "--out", tmp_path / "c\n\x1b[2J", "--weights", weights_dir]
    shell = ["sh", "-c", f'{{ "$@"; echo $? >&2; }} {redirection}', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("", CLOSED * (code == 2) + f"{code}\n")
    assert list((tmp_path / "c\n\x1b[2J").glob("*.c"))


def test_c_that_cannot_be_written_gets_a_sentence(weights_dir, tmp_path):
    (tmp_path / "file").touch()
    refused(run("codegen", "--out", tmp_path / "file", "--weights", weights_dir), "cannot be written")
