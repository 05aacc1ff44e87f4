"""The compiler and the cache: every fault in them gives its own error, never a wrong answer."""

import io
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from adapter import prepare
from resnet50 import CacheError, CompilerError, compiler, trust
from resnet50 import __main__ as cli
from resnet50.compiler import Compiler
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution

CONV = Convolution(4, 5, 3, 7, 3, 3, 1, 1)
CLOSED = "resnet50: cannot write the output: standard output is closed\n"

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache needs a system with users")


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
    """Writes a shell script that acts as a compiler; returns its path, which needs quotes, for CC."""
    file = tmp_path / "my 'cc'"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return f'"{file}"'


def run(*arguments, **variables):
    """Runs the command line in this process, with these environment variables, as if nothing had been loaded."""
    out, err = io.StringIO(), io.StringIO()
    fresh = mock.patch.dict(os.environ, variables), mock.patch.dict(compiler.loaded, clear=True)
    with fresh[0], fresh[1], redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def refused(done, *words):
    """Asserts exit code 2 and one line on stderr, with these words in it."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_the_cache_is_where_the_variables_say(monkeypatch):
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
exit 1"""  # no second compiler has started
    monkeypatch.setenv("CC", program(tmp_path, wait))
    monkeypatch.setattr(compiler, "cpu_count", lambda: 2)
    compiler.load([CONV, Convolution(4, 5, 3, 9, 3, 3, 1, 1)], instruction_set())
    assert len(libraries(folder)) == 2


def test_the_instruction_set_is_named_and_arithmetic_is_not_loosened():
    command = " ".join(Compiler(instruction_set()).command)
    assert " ".join(instruction_set().flags) in command
    assert "-ffp-contract=off" in command
    assert not any(word in command for word in ("native", "fast", "Ofast"))


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
def test_a_command_that_is_not_a_compiler_gives_a_clear_error(folder, weights_dir, tmp_path, monkeypatch, cc, words):
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


def test_output_that_is_not_a_library_is_refused_and_not_kept(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", program(tmp_path, 'for last; do :; done; [ "$1" = --version ] || echo rubbish >"$last"'))
    with pytest.raises(CompilerError, match="cannot be loaded"):
        load()
    assert not libraries(folder)


LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
runpy.run_module("resnet50", run_name="__main__")
"""


def test_a_full_disk_gives_a_clear_error(folder, weights_dir):
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


def test_a_working_folder_that_is_gone_gives_a_clear_error(folder, monkeypatch):
    monkeypatch.setenv("RESNET50_CACHE", "cache")
    monkeypatch.setattr(Path, "absolute", lambda path: os.stat("/no/such/folder"))
    with pytest.raises(CacheError, match="no longer there"):
        load()


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


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_a_folder_that_cannot_be_written_is_refused(folder, weights_dir):
    done = run("bench", "--size", "32", "--weights", weights_dir, RESNET50_CACHE="/proc/1/cache")
    refused(done, "/proc/1/cache", "RESNET50_CACHE")


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("unshare"), reason="needs Linux's mount namespaces")
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


def test_progress_is_shown_only_on_a_terminal(folder, monkeypatch, capsys, tmp_path):
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


def test_compiling_works_without_new_threads(folder, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError("no thread")))
    load()
    assert len(libraries(folder)) == 1


def test_a_closed_stderr_does_no_harm(folder, weights_dir):
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
def test_c_is_written_even_if_its_list_cannot_be_printed(redirection, code, weights_dir, tmp_path):
    command = [sys.executable, "-m", "resnet50", "codegen", "--out", tmp_path / "c\n\x1b[2J", "--weights", weights_dir]
    shell = ["sh", "-c", f'{{ "$@"; echo $? >&2; }} {redirection}', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("", CLOSED * (code == 2) + f"{code}\n")
    assert list((tmp_path / "c\n\x1b[2J").glob("*.c"))


def test_c_that_cannot_be_written_gives_a_clear_error(weights_dir, tmp_path):
    (tmp_path / "file").touch()
    refused(run("codegen", "--out", tmp_path / "file", "--weights", weights_dir), "cannot be written")
