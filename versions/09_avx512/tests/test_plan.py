"""The plan: nothing is overwritten before it is read, nothing is allocated, and no system call is made."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from conftest import random
from resnet50 import __main__ as cli
from resnet50.network import PLANS, make_plan
from resnet50.plan import largest_live_set

SIZES = [(32, 32), (64, 40), (97, 65), (224, 224)]


@pytest.mark.parametrize("size", SIZES)
def test_values_that_live_at_the_same_time_lie_apart(net, size):
    plan = make_plan(net.weights, net.crew, *size)
    assert len(plan.values) == len(plan.steps) + 1
    for a, b in combinations(plan.values, 2):
        if a.made <= b.read and b.made <= a.read:
            assert a.place + a.floats <= b.place or b.place + b.floats <= a.place
    assert all(value.made < value.read for value in plan.values)


@pytest.mark.parametrize("size", SIZES)
def test_the_arena_is_no_larger_than_the_largest_live_set(net, size):
    plan = make_plan(net.weights, net.crew, *size)
    least = largest_live_set(plan.values, len(plan.steps))
    assert plan.floats == least


def test_each_value_is_read_by_the_step_that_says_so(net):
    plan = make_plan(net.weights, net.crew, 32, 32)
    for index, step in enumerate(plan.steps):
        assert step.output.made == index
        assert all(value.made < index <= value.read for value in step.inputs)


def test_an_arena_full_of_rubbish_changes_nothing(net):
    image = random(0, 32, 32, 3)
    expected = net(image)
    for arena in net.plan(32, 32).idle:
        arena[:] = np.nan
    np.testing.assert_array_equal(net(image), expected)


def test_few_plans_are_kept(net):
    for size in range(32, 32 + PLANS + 2):
        net(random(0, size, 32, 3))
    assert net.plan.cache_info().currsize == PLANS


def test_threads_have_an_arena_each_and_share_them(net):
    images = [random(seed, 48, 32, 3) for seed in range(16)]
    alone = [net(image) for image in images]
    with ThreadPoolExecutor(4) as threads:
        for together, expected in zip(threads.map(net, images * 4), alone * 4, strict=True):
            np.testing.assert_array_equal(together, expected)
    assert 1 <= len(net.plan(48, 32).idle) <= 4


def test_the_times_of_the_layers_add_up_to_no_more_than_the_time_that_passed(net):
    told = []
    start = time.perf_counter()
    net.run(random(2, 32, 32, 3), lambda name, output, seconds: told.append(seconds))
    assert min(told) >= 0
    assert 0 < sum(told) <= (time.perf_counter() - start) * (1 + 2**-24)  # each is rounded to a float32


def test_the_plan_can_be_printed(capsys, weights_dir):
    assert cli.main(["plan", "--size", "64", "--weights", str(weights_dir)]) == 0
    *steps, last = capsys.readouterr().out.splitlines()
    assert len(steps) == 1 + 174
    assert "largest live set" in last


def test_a_plan_that_cannot_be_printed(capsys, monkeypatch, weights_dir):
    monkeypatch.setattr(sys, "stdout", None)  # as it is in a process whose stdout is closed
    assert cli.main(["plan", "--size", "64", "--weights", str(weights_dir)]) == 2
    assert capsys.readouterr().err == "resnet50: cannot write the output: standard output is closed\n"


COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
long calls;
void *__libc_malloc(size_t); void *__libc_calloc(size_t, size_t); void *__libc_realloc(void *, size_t);
void __libc_free(void *); void *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { calls++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { calls++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { calls++; return __libc_realloc(p, n); }
void free(void *p) { calls++; __libc_free(p); }
int posix_memalign(void **p, size_t a, size_t n) { calls++; *p = __libc_memalign(a, n); return *p == NULL; }
void *aligned_alloc(size_t a, size_t n) { calls++; return __libc_memalign(a, n); }
"""

COUNT = """
import ctypes, sys
import numpy as np
from resnet50 import ResNet50
net = ResNet50(sys.argv[1], threads=2)
calls = ctypes.c_long.in_dll(ctypes.CDLL(None), "calls")
image, logits = np.ones((64, 64, 3), np.float32), np.empty(len(net.labels), np.float32)
plan = net.plan(64, 64)
arena, run = plan.idle[0], plan.program.run
def counted(function, *arguments):
    before = calls.value
    function(*arguments)
    return calls.value - before
counted(run, plan.crew, arena, image, logits), counted(np.empty, 10**6)
# The least of five: on a busy machine the second thread's first turn, in which glibc allocates for it, may come late.
print(min(counted(run, plan.crew, arena, image, logits) for _ in range(5)), counted(np.empty, 10**6))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="replaces glibc's allocator")
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for the counting allocator")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer has its own allocator")
def test_an_inference_calls_no_allocator(tmp_path, weights_dir):
    (tmp_path / "counter.c").write_text(COUNTER)
    library = tmp_path / "counter.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, tmp_path / "counter.c"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", COUNT, weights_dir],
        env=os.environ | {"LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    inference, array = map(int, done.stdout.split())
    assert array >= 1  # the counter works
    assert inference == 0


SECCOMP = """
import ctypes, os, sys
import numpy as np
from resnet50 import ResNet50
net = ResNet50(sys.argv[1], threads=1)  # waiting for a second one would be a system call
image, logits = np.load(sys.argv[2]), np.empty(len(net.labels), np.float32)
plan = net.plan(*image.shape[:2])
arena, run, result = plan.idle[0], plan.program.run, memoryview(logits)
libc = ctypes.CDLL(None, use_errno=True)
run(plan.crew, arena, image, logits)
logits[:] = 0
PR_SET_SECCOMP, SECCOMP_MODE_STRICT = 22, 1
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0):
    os._exit(77)
run(plan.crew, arena, image, logits)  # from here on any system call but read and write kills the process
os.write(1, result)
libc.syscall(60, 0)  # exit, which is allowed; exit_group, the usual end of a process, is not
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's seccomp")
def test_an_inference_makes_no_system_call(tmp_path, net, weights_dir):
    image = random(3, 64, 64, 3)
    np.save(tmp_path / "image.npy", image)
    done = subprocess.run(
        [sys.executable, "-c", SECCOMP, weights_dir, tmp_path / "image.npy"],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # NumPy's threads would outlive the one that exits
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this system does not allow strict seccomp")
    assert done.returncode == 0
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32), net(image))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's seccomp")
def test_a_system_call_under_seccomp_would_be_seen():
    program = (
        "import ctypes, os; ctypes.CDLL(None).prctl(22, 1, 0, 0, 0) and os._exit(77); os.getppid(); os.write(1, b'x')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.returncode == 77 or (done.returncode < 0 and done.stdout == b"")
