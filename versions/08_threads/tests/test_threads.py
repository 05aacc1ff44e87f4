"""Threads: the same bits however many there are, no race, none left behind, and nothing done while there is no work."""

import gc
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import narrow_tensors, random, write_weights
from resnet50 import ResNet50, ThreadsError, threads
from resnet50.codegen import source
from resnet50.compiler import FLAGS
from resnet50.cpu_count import cpu_count
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.tiles import Convolution

SOURCES = Path(__file__).parents[1] / "src" / "resnet50" / "ops"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc and seccomp are Linux's")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
TWO = pytest.mark.skipif(cpu_count() < 2, reason="needs two processors")
ADDRESSES = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer has threads too")


def tasks():
    """The threads of this process."""
    return len(os.listdir("/proc/self/task"))


def tasks_become(count):
    """Whether there are so many; one that has been joined may be seen for a moment more."""
    for _ in range(100):
        if tasks() == count:
            return True
        time.sleep(0.01)
    return False


def run(*arguments, **variables):
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "resnet50", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 12, 64])
def test_any_number_of_threads_gives_the_same_bits(count, net, weights_dir):
    other = ResNet50(weights_dir, threads=count)
    for seed, size in enumerate([(32, 32), (33, 47), (64, 40)]):
        image = random(seed, *size, 3)
        np.testing.assert_array_equal(other(image), net(image))
        np.testing.assert_array_equal(other.run(image, lambda *_: None), net(image))


def test_neighbouring_parts_share_the_larger_of_picture_and_weights():
    picture, weights = Convolution(56, 56, 64, 64, 3, 3, 1, 1), Convolution(7, 7, 512, 512, 3, 3, 1, 1)
    assert "band = part / 4, strip = part % 4;" in source(picture, INSTRUCTION_SETS["avx2"])
    assert "strip = part / 7, band = part % 7;" in source(weights, INSTRUCTION_SETS["avx2"])


@LINUX
def test_a_network_has_its_threads_from_the_beginning_and_takes_them_along(weights_dir):
    before = tasks()
    one, other = ResNet50(weights_dir, threads=3), ResNet50(weights_dir, threads=4)
    assert tasks() == before + 2 + 3
    one(random(0, 32, 32, 3)), other(random(0, 32, 32, 3))
    assert tasks() == before + 2 + 3
    del one
    gc.collect()
    assert tasks_become(before + 3)
    del other
    gc.collect()
    assert tasks_become(before)


def test_a_network_without_work_uses_no_processor_time(weights_dir):
    idle = ResNet50(weights_dir, threads=2)
    idle(random(0, 32, 32, 3))
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - before < 0.05  # a thread that spins would use 1.0


def test_two_networks_at_one_time_and_two_callers_of_each(weights_dir, tmp_path):
    tensors = narrow_tensors(base_width=3, classes=4, seed=8)
    networks = [ResNet50(weights_dir, threads=2), ResNet50(write_weights(tmp_path, tensors), threads=3)]
    image = random(1, 32, 32, 3)
    expected = [network(image) for network in networks]
    with ThreadPoolExecutor(4) as callers:
        answers = callers.map(lambda index: networks[index % 2](image), range(200))
        for index, answer in enumerate(answers):
            np.testing.assert_array_equal(answer, expected[index % 2])


def affinities():
    """Thread -> the processors that it may use, of each thread of this process."""
    return {int(task): os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")}


@LINUX
@TWO
def test_processors_that_are_set_during_an_inference_are_kept(weights_dir):
    """By another program for all threads (`taskset -ap`), one hundred times, each at some moment of an inference."""
    allowed, network = os.sched_getaffinity(0), ResNet50(weights_dir, threads=2)
    image, running = random(0, 64, 40, 3), threading.Event()
    network(image)

    def limit(attempt):
        running.wait()
        time.sleep(0.00005 * attempt)
        wanted = {sorted(allowed)[attempt % 2]}
        for thread in affinities():
            os.sched_setaffinity(thread, wanted)
        return wanted

    with ThreadPoolExecutor(1) as other:
        for attempt in range(100):
            limiting = other.submit(limit, attempt)
            running.set()
            while not limiting.done():
                network(image)
            running.clear()
            network(image)
            assert set(map(frozenset, affinities().values())) == {frozenset(limiting.result())}
            for thread in affinities():
                os.sched_setaffinity(thread, allowed)


@LINUX
def test_a_process_with_one_processor_can_have_more_threads(net, weights_dir):
    before = os.sched_getaffinity(0)
    image = random(5, 32, 32, 3)
    expected = net(image)
    os.sched_setaffinity(0, {min(before)})
    try:
        network = ResNet50(weights_dir, threads=2)
        np.testing.assert_array_equal(network(image), expected)
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


@LINUX
@FORKS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork beside threads: the point here
def test_a_forked_child_makes_threads_of_its_own_when_it_needs_them(weights_dir):
    network = ResNet50(weights_dir, threads=3)
    image = random(2, 32, 32, 3)
    expected = network(image)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            before = tasks()
            right = np.array_equal(network(image), expected) and np.array_equal(network(image), expected)
            during = tasks()
            del network
            gc.collect()
            status = 0 if right and (before, during) == (1, 3) and tasks_become(1) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(network(image), expected)


@FORKS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle_of_an_inference_is_survived(weights_dir):
    network = ResNet50(weights_dir, threads=2)
    image = random(3, 64, 64, 3)
    expected = network(image)
    done = threading.Event()

    def infer():
        while not done.is_set():
            network(image)

    caller = threading.Thread(target=infer)
    caller.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if np.array_equal(network(image), expected) else 2
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        done.set()
        caller.join()


def test_the_number_of_threads_is_the_argument_or_the_variable_or_the_processors(monkeypatch):
    made = []
    monkeypatch.setattr(threads.ops, "crew", lambda count, spin: made.append((count, spin)))
    monkeypatch.setattr(threads, "cpu_count", lambda: 2)
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    threads.make_crew()
    monkeypatch.setenv(threads.VARIABLE, "3")
    threads.make_crew()
    threads.make_crew(1)
    monkeypatch.setenv(threads.VARIABLE, "")
    threads.make_crew()
    assert made == [(2, True), (3, False), (1, True), (2, True)]


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1025", "9" * 30, "9" * 5000])
def test_a_number_of_threads_that_there_cannot_be_is_refused(value, weights_dir, monkeypatch):
    for done in (
        run("bench", "--size", "32", "--weights", weights_dir, "--threads", value),
        run("bench", "--size", "32", "--weights", weights_dir, RESNET50_THREADS=value),
    ):
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    monkeypatch.setenv(threads.VARIABLE, value)
    with pytest.raises(ThreadsError):
        ResNet50(weights_dir)


def test_the_command_line_takes_a_number_of_threads(weights_dir):
    done = run("bench", "--size", "32", "--repeat", "1", "--threads", "2", "--weights", weights_dir)
    assert (done.returncode, done.stderr) == (0, "")


LIMITED = """
import resource, sys
from resnet50 import ResNet50, ThreadsError
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, used + 200_000_000))
try:
    ResNet50(sys.argv[1], threads=1000)
except ThreadsError as error:
    print(error)
ResNet50(sys.argv[1], threads=2)
print(len(__import__("os").listdir("/proc/self/task")))
"""


@LINUX
@ADDRESSES
def test_threads_that_the_system_does_not_give_are_an_error_and_none_is_left(weights_dir):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, weights_dir],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    message, left = done.stdout.splitlines()
    assert message.startswith("cannot create 1000 threads:")
    assert left == "1"  # the second network's were ended with it


LIMITED_CHILD = """
import ctypes, os, sys
import numpy as np
from resnet50 import ResNet50, ThreadsError
net, image = ResNet50(sys.argv[1], threads=3), np.ones((32, 32, 3), np.float32)
expected = net(image)
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
libc, settings = ctypes.CDLL(None), ctypes.create_string_buffer(256)
def new_threads_have_a_stack_of(size):
    libc.pthread_getattr_default_np(settings)
    libc.pthread_attr_setstacksize(settings, ctypes.c_size_t(size))
    libc.pthread_setattr_default_np(settings)
new_threads_have_a_stack_of(2**47)  # all addresses that there are
try:
    net(image)
except ThreadsError as error:
    print(error)
new_threads_have_a_stack_of(2**20)
print(np.array_equal(net(image), expected))
"""


@LINUX
@FORKS
@ADDRESSES
def test_threads_that_a_forked_child_does_not_get_are_an_error_and_it_can_try_again(weights_dir):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIMITED_CHILD, weights_dir],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    message, right = done.stdout.splitlines()
    assert message.startswith("cannot create 3 threads:")
    assert right == "True"


FILTER = """
import ctypes, os, struct, sys
import numpy as np
from resnet50 import ResNet50
net = ResNet50(sys.argv[1], threads=2)
image, logits = np.load(sys.argv[2]), np.empty(len(net.labels), np.float32)
plan = net.plan(*image.shape[:2])
arena, run, result = plan.idle[0], plan.program.run, memoryview(logits)
run(plan.crew, arena, image, logits)
logits[:] = 0
while len(os.listdir("/proc/self/task")) > 2:
    pass  # threads that compiled are joined, but some are still ending, for which they call the system
WRITE, FUTEX, EXIT_GROUP = 1, 202, 231
LOAD, EQUAL, RETURN, KILL, ALLOW = 0x20, 0x15, 0x06, 0x80000000, 0x7FFF0000
allowed = (WRITE, FUTEX, EXIT_GROUP)
lines = [(LOAD, 0, 0, 0), *((EQUAL, len(allowed) - i, 0, number) for i, number in enumerate(allowed)),
         (RETURN, 0, 0, KILL), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, SECCOMP, SET_MODE_FILTER, ALL_THREADS = 38, 317, 1, 1
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(SECCOMP, SET_MODE_FILTER, ALL_THREADS, program):
    os._exit(77)
for _ in range(10):
    run(plan.crew, arena, image, logits)  # from here on any other call of the system ends the process
exec("".join(sys.argv[3:]))
os.write(1, result)
os._exit(0)
"""


@LINUX
@pytest.mark.parametrize("offence", [[], ["os.getppid()"], ["os.sched_setaffinity(0, {0, 1})"]])
def test_threads_call_the_system_only_to_sleep_and_to_wake_and_pin_nobody(tmp_path, net, weights_dir, offence):
    image = random(3, 64, 64, 3)
    np.save(tmp_path / "image.npy", image)
    done = subprocess.run(
        [sys.executable, "-c", FILTER, weights_dir, tmp_path / "image.npy", *offence],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this system does not allow seccomp filters")
    if offence:
        assert done.returncode < 0  # the filter does see what is not allowed
    else:
        assert done.returncode == 0
        np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32), net(image))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc for ThreadSanitizer")
@ADDRESSES
def test_threadsanitizer_finds_no_race(tmp_path):
    """Crew, plan and operators, with several crews and callers at once; Python would hide what it sees."""
    isa = instruction_set()
    convolutions = {"conv2d": Convolution(16, 16, 5, 37, 3, 3, 1, 1), "matrix": Convolution(1, 1, 37, 70, 1, 1, 1, 0)}
    command = ["gcc", "-g", "-fsanitize=thread", "-I", SOURCES, "-std=gnu11", "-pthread", *isa.flags]
    objects = []
    for name, conv in convolutions.items():
        (tmp_path / f"{name}.c").write_text(source(conv, isa))
        renamed = [f"-Dconv2d={name}", f"-Dsizes={name}_sizes", *(flag for flag in FLAGS if flag != "-shared")]
        objects.append(tmp_path / f"{name}.o")
        subprocess.run([*command, *renamed, "-c", tmp_path / f"{name}.c", "-o", objects[-1]], check=True)
    border = {"border.c", "crew_capsule.c", "kernel.c", "module.c", "program.c", "steps.c"}  # need Python
    operators = [file for file in sorted(SOURCES.glob("*.c")) if file.name not in border]
    race = tmp_path / "race"
    built = subprocess.run(
        [*command, "-O1", Path(__file__).with_name("race.c"), *operators, *objects, "-lm", "-o", race],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "cannot find" in built.stderr:
        pytest.skip("gcc has no ThreadSanitizer here")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([race], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("all the same\n", "", 0)
