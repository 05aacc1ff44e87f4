"""Networks among threads, processes, interpreters and signals: the right answer or a proper error, never a hang."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import narrow_tensors, random, write_weights
from resnet50 import ResNet50

PATIENCE = 100  # seconds after which a test counts as hung
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
# Python 3.12 warns about a fork in a process with threads, which is what these tests are about.
BESIDE_THREADS = pytest.mark.filterwarnings("ignore::DeprecationWarning")
IMAGE = random(7, 32, 32, 3)


def answer(folder):
    """The logits of a network loaded from `folder`; a plain function, so that other processes can call it."""
    return ResNet50(folder)(IMAGE)


def forked(check):
    """Whether `check()` is true in a forked child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            status = 0 if check() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextmanager
def inferring(net):
    """Another thread runs inferences, from before the block begins until it ends."""
    begun, enough = threading.Event(), threading.Event()

    def infer():
        while not enough.is_set():
            begun.set()
            net(IMAGE)

    with ThreadPoolExecutor(1) as thread:
        try:
            done = thread.submit(infer)
            begun.wait()
            yield
        finally:
            enough.set()
        done.result()


def run(program, folder, *options):
    """Runs a program in a Python process of its own."""
    command = [sys.executable, *options, "-c", program, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_eight_threads_share_a_network(net):
    images = [random(seed, *((32, 32), (33, 47))[seed % 2], 3) for seed in range(8)]
    alone = [net(image) for image in images]
    with ThreadPoolExecutor(8) as threads:
        for together, expected in zip(threads.map(net, images * 2), alone * 2, strict=True):
            np.testing.assert_array_equal(together, expected)


def test_eight_threads_load_and_run_a_network_each(tmp_path):
    folders = [write_weights(tmp_path / str(seed), narrow_tensors(seed=seed)) for seed in range(8)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(answer, folders))
    for folder, logits in zip(folders, together, strict=True):
        np.testing.assert_array_equal(logits, answer(folder))


@FORKS
@BESIDE_THREADS
def test_a_forked_child_uses_the_network(net):
    expected = net(IMAGE)
    assert forked(lambda: np.array_equal(net(IMAGE), expected))
    np.testing.assert_array_equal(net(IMAGE), expected)


@FORKS
@BESIDE_THREADS
def test_a_child_forked_in_the_middle_of_an_inference_uses_the_network_and_loads_another(net, weights_dir):
    expected = net(IMAGE)
    with inferring(net):
        for _ in range(4):
            assert forked(lambda: np.array_equal(net(IMAGE), expected))
            assert forked(lambda: np.array_equal(answer(weights_dir), expected))
    np.testing.assert_array_equal(net(IMAGE), expected)


@BESIDE_THREADS
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_of_multiprocessing_load_the_network(method, net, weights_dir):
    expected = net(IMAGE)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as processes:
        for logits in processes.map(answer, [weights_dir] * 2, timeout=PATIENCE):
            np.testing.assert_array_equal(logits, expected)


@pytest.mark.usefixtures("interruptible")
def test_control_c_during_an_inference_leaves_a_usable_network(net):
    expected = net(IMAGE)
    for delay in (0.001, 0.003, 0.01, 0.03):
        timer = threading.Timer(delay, signal.raise_signal, [signal.SIGINT])
        with pytest.raises(KeyboardInterrupt):  # in the main thread, whichever thread gets the signal
            timer.start()
            while True:
                net(IMAGE)
        timer.join()
        np.testing.assert_array_equal(net(IMAGE), expected)


DAEMON = """
import sys, threading
import numpy as np
from resnet50 import ResNet50
net, image, begun = ResNet50(sys.argv[1]), np.ones((32, 32, 3), np.float32), threading.Event()
def infer():
    while True:
        net(image)
        begun.set()
threading.Thread(target=infer, daemon=True).start()
begun.wait()
"""


@pytest.mark.parametrize("options", [(), ("-X", "dev")], ids=str)
def test_the_interpreter_ends_while_a_daemon_thread_infers(options, weights_dir):
    done = run(DAEMON, weights_dir, *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
folder, expected, also_outside = sys.argv[1], sys.argv[2], len(sys.argv) > 3
check = f'''
try:
    from resnet50 import ResNet50, ResNet50Error
except (ImportError, RuntimeError):  # from NumPy, which some subinterpreters cannot import, or from another library
    print("refused")
else:
    import numpy as np
    try:
        logits = ResNet50({folder!r})(np.ones((32, 32, 3), np.float32))
        print("right" if logits.tobytes().hex() == "{expected}" else "wrong")
    except ResNet50Error:  # a subinterpreter may not be allowed to call a compiler
        print("refused")
'''
if also_outside:
    exec(check)
other = interpreters.create()
if interpreters.run_string(other, check) is not None:
    print("raised")
interpreters.destroy(other)
if also_outside:
    exec(check)
"""


@pytest.mark.parametrize("outside", [(), ("also outside",)], ids=str)
def test_a_subinterpreter_is_refused_or_right_and_harms_nothing(outside, net, weights_dir):
    expected = net(np.ones((32, 32, 3), np.float32)).tobytes().hex()
    command = [sys.executable, "-c", SUBINTERPRETER, weights_dir, expected, *outside]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    words = done.stdout.split()
    assert words[len(outside)] in ("refused", "right")
    assert [words[0], words[-1]] == ["right", "right"] or not outside
