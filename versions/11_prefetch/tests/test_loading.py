"""Loading compiled code while Python exits, beside a stopped process, and in a process with too much loaded."""

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from resnet50 import cache, compiler, trust
from resnet50.codegen import source
from resnet50.compiler import Compiler
from resnet50.instruction_sets import instruction_set
from resnet50.network import planned
from resnet50.tiles import Convolution
from test_border import kernel, plan
from test_border import run as run_plan
from test_compiler import CONV, folder, libraries, load

__all__ = ["folder"]  # the fixture: an empty cache

SHAPES = [CONV, *(Convolution(2, width, 1, 1, 1, 1, 2, 0) for width in range(2, 9))]
IMAGE = np.ones((32, 32, 3), np.float32)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache needs a system with users")

LATE = """
import atexit, sys, threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from resnet50 import ResNet50
from test_compiler import load
def late():
    try:
        with ThreadPoolExecutor(1) as threads:
            while True:
                threads.submit(int).result()
    except RuntimeError:  # Python is exiting
        if sys.argv[2:]:
            print(ResNet50(sys.argv[2])(np.ones((32, 32, 3), np.float32)).tobytes().hex())
        else:
            print(load())
if sys.argv[1] == "atexit":
    atexit.register(late)
else:
    threading.Thread(target=late).start()
"""
WHEN = pytest.mark.parametrize("when", ["atexit", "thread"])


def child(code, *arguments):
    """Runs `code` in a Python that can import the tests; returns what it printed."""
    variables = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@WHEN
def test_a_network_is_loaded_while_python_is_ending(net, weights_dir, when):
    assert child(LATE, when, weights_dir) == net(IMAGE).tobytes().hex()


@WHEN
def test_a_convolution_is_compiled_while_python_is_ending(folder, when):
    assert "kernel" in child(LATE, when)
    assert len(libraries(folder)) == 1


STOPPED = """
import os, signal, sys
from filelock import FileLock
locks = [FileLock(name, mode=0o600) for name in sys.argv[1:]]
for lock in locks:
    lock.acquire()
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
sys.stdin.read()
"""


@pytest.fixture
def stopped():
    """A function that starts a process, which locks libraries and is then stopped, as by Ctrl-Z."""
    started = []

    def start(*names):
        command = [sys.executable, "-c", STOPPED, *(name.with_suffix(".lock") for name in names)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"locked\n"
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def missing(folder):
    """The paths of two libraries, of the first two SHAPES, that are missing from the cache."""
    compiler.load(SHAPES[:2], instruction_set())
    names = libraries(folder)
    for name in names:
        name.unlink()
    compiler.loaded.clear()
    return names


def test_a_stopped_process_is_named_and_not_waited_for_forever(folder, missing, stopped, monkeypatch, caplog):
    """Having locked several libraries, it is waited for only once."""
    other = stopped(*missing)
    waited, acquire = [], cache.FileLock.acquire

    def recorded(lock, timeout, **rest):
        waited.append(timeout)
        return acquire(lock, timeout, **rest)

    monkeypatch.setattr(cache, "SOON", 0.02)
    monkeypatch.setattr(cache, "ALONE", 0.1)
    monkeypatch.setattr(compiler, "cpu_count", lambda: 1)
    monkeypatch.setattr(cache.FileLock, "acquire", recorded)
    compiler.load(SHAPES[:2], instruction_set())
    assert libraries(folder) == missing
    assert not list(folder.glob("*.part"))
    assert waited[:4] == [0.02, pytest.approx(0.08), 0, 0]
    [record] = caplog.records
    who = f"process {other.pid}" if sys.platform == "linux" else "another process"
    assert record.getMessage() == f"waiting for {who} to compile the same convolution; at most 0 s"


def test_a_terminal_shows_which_process_is_waited_for(missing, stopped, monkeypatch, capsys, caplog):
    stopped(*missing)
    monkeypatch.setattr(cache, "SOON", 0.02)
    monkeypatch.setattr(cache, "ALONE", 1.0)
    monkeypatch.setattr(compiler, "QUIET", 0.02)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    compiler.load(SHAPES[:2], instruction_set())
    assert re.search("compiling 2 convolutions, 0 done; waiting for .*process", capsys.readouterr().err)
    assert not caplog.records


def test_a_process_is_shown_until_the_wait_for_it_ends(missing, stopped):
    """Loading another library, which nobody has locked, does not remove the message."""
    stopped(missing[0])
    patience = cache.Patience(watched=True)
    patience.note(missing[0])
    with cache.turn(missing[1], patience):
        assert re.search("waiting for .*process", patience.words)
    patience.ended = True
    with cache.turn(missing[0], patience):
        assert patience.words == ""


def test_the_command_line_says_which_process_it_waits_for(net, weights_dir, stopped):
    net(IMAGE)
    first = planned(net.weights, 32, 32)[0].steps[0].sizes
    library = trust.cache_folder() / f"{Compiler(net.weights.isa).key(source(first, net.weights.isa))}.so"
    library.unlink()
    other = stopped(library)
    command = [sys.executable, "-m", "resnet50", "bench", "--size", "32", "--weights", str(weights_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        line = waiting.stderr.readline()
        other.kill()
        assert waiting.wait(timeout=120) == 0
        assert waiting.stderr.read() == ""
    assert re.search("^waiting for .*process", line)


@LINUX
def test_waiting_for_a_thread_of_the_same_process_is_not_reported(missing, monkeypatch, caplog):
    monkeypatch.setattr(cache, "SOON", 0.0)
    told, tell = threading.Event(), cache.Patience.note
    monkeypatch.setattr(cache.Patience, "note", lambda *arguments: (tell(*arguments), told.set()))
    with ThreadPoolExecutor(1) as threads:
        with cache.lock(missing[0]):
            waiting = threads.submit(compiler.load, SHAPES[:2], instruction_set())
            assert told.wait(60)
        waiting.result()
    assert not caplog.records


def loaded(folder):
    """How many of a folder's libraries this process has loaded."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return len({line.split(maxsplit=5)[5] for line in lines if f"{folder}/" in line})


@LINUX
def test_libraries_that_no_plan_uses_any_more_are_unloaded(folder, monkeypatch):
    monkeypatch.setattr(compiler, "MOST_LOADED", 3)
    for conv in SHAPES:
        load(conv)
    assert loaded(folder) == 3
    compiler.loaded.clear()
    assert loaded(folder) == 0


@LINUX
def test_a_plan_keeps_its_libraries(folder):
    function, *weights = kernel(channels=2)  # one that no other test has loaded
    program = plan(("conv2d", 48, 0, 0, function, tuple(weights)))
    expected = run_plan(program)
    del function
    compiler.loaded.clear()
    assert loaded(folder) == 1
    np.testing.assert_array_equal(run_plan(program), expected)
    del program
    assert loaded(folder) == 0


FULL = """
import mmap, sys
from resnet50 import CompilerError
from test_compiler import load
limit = int(open("/proc/sys/vm/max_map_count").read())
kept = [mmap.mmap(-1, 4096, prot=(mmap.PROT_READ, mmap.PROT_WRITE)[i % 2]) for i in range(int(0.95 * limit))]
try:
    load()
except CompilerError as error:
    print(error)
kept.clear()
load()
"""


@LINUX
def test_a_process_with_too_much_loaded_gives_a_clear_error_and_the_cache_stays(folder):
    if int(Path("/proc/sys/vm/max_map_count").read_text()) > 300_000:
        pytest.skip("vm.max_map_count is so high that reaching it takes more memory than a test should use")
    load()
    [library] = libraries(folder)
    before = library.stat().st_ino
    assert re.search("cannot load.*vm.max_map_count", child(FULL))
    assert library.stat().st_ino == before
