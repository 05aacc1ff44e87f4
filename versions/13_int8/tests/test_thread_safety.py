"""Threads at the limits of the system: forks, threads that it cannot provide, the calls that they make, and races."""

import gc
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import random
from resnet50 import ResNet50
from resnet50.codegen import source
from resnet50.compiler import FLAGS
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution, Pool
from test_threads import LINUX, tasks, tasks_become

SOURCES = Path(__file__).parents[1] / "src" / "resnet50" / "ops"
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
ADDRESSES = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="fails under AddressSanitizer")


@LINUX
@FORKS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork in a process with threads: the point here
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
def test_threads_that_the_system_cannot_provide_are_an_error_and_none_is_left(weights_dir):
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
    assert left == "1"  # the second network's threads ended with it


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
new_threads_have_a_stack_of(2**47)  # the whole address space
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
def test_a_forked_child_that_gets_no_threads_raises_an_error_and_can_try_again(weights_dir):
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
    pass  # threads that compiled have been joined, but some are still exiting, which takes system calls
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
    run(plan.crew, arena, image, logits)  # from here on any other system call kills the process
exec("".join(sys.argv[3:]))
os.write(1, result)
os._exit(0)
"""


@LINUX
@pytest.mark.parametrize("offence", [[], ["os.getppid()"], ["os.sched_setaffinity(0, {0, 1})"]])
def test_threads_make_system_calls_only_to_sleep_and_to_wake(tmp_path, net, weights_dir, offence):
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
        assert done.returncode < 0  # the filter does catch a forbidden call
    else:
        assert done.returncode == 0
        np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32), net(image))


def run_sanitized(program, *command):
    """Builds `program` with ThreadSanitizer and runs it; returns what it printed, and its exit code."""
    built = subprocess.run([*command, "-o", program], capture_output=True, text=True, check=False)
    if "cannot find" in built.stderr:
        pytest.skip("gcc has no ThreadSanitizer here")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout, done.stderr, done.returncode


THREAD_SANITIZER = ("gcc", "-g", "-fsanitize=thread", "-I", SOURCES, "-std=gnu11", "-pthread")
GCC = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc for ThreadSanitizer")


@GCC
@ADDRESSES
def test_a_thread_that_comes_late_holds_nobody_up_and_each_part_is_computed_once(tmp_path):
    late = Path(__file__).with_name("late.c")
    assert run_sanitized(tmp_path / "late", *THREAD_SANITIZER, "-O1", late) == ("all done\n", "", 0)


@GCC
@ADDRESSES
def test_threadsanitizer_finds_no_race(tmp_path):
    """Crew, plan and all kinds of steps, with several crews and callers at once, without Python, which hides races."""
    isa = instruction_set()
    convolutions = {
        "stem": Convolution(35, 32, 3, 37, 3, 3, 2, 0, relu=True, pool=Pool(3, 2, 1)),  # to 9 x 8
        "conv2d": Convolution(9, 8, 37, 21, 3, 3, 1, 1, relu=True),
        "sum": Convolution(9, 8, 21, 37, 1, 1, 1, 0, residual=True, relu=True),
        "matrix": Convolution(1, 1, 37, 70, 1, 1, 1, 0, logits=True),
    }
    command = [*THREAD_SANITIZER, *isa.flags]
    objects = []
    for name, conv in convolutions.items():
        (tmp_path / f"{name}.c").write_text(source(conv, isa))
        renamed = [f"-Dconv2d={name}", f"-Dsizes={name}_sizes", *(flag for flag in FLAGS if flag != "-shared")]
        objects.append(tmp_path / f"{name}.o")
        subprocess.run([*command, *renamed, "-c", tmp_path / f"{name}.c", "-o", objects[-1]], check=True)
    border = {"border.c", "crew_capsule.c", "kernel.c", "module.c", "program.c", "steps.c"}  # need Python
    operators = [file for file in sorted(SOURCES.glob("*.c")) if file.name not in border]
    race = Path(__file__).with_name("race.c")
    done = run_sanitized(tmp_path / "race", *command, "-O1", race, *operators, *objects, "-lm")
    assert done == ("all the same\n", "", 0)
