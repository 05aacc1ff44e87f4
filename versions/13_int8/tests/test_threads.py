"""Threads: the same bits with any number of them, none left behind, and no processor time without work."""

import gc
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import narrow_tensors, random, write_weights
from resnet50 import ResNet50, ThreadsError, threads
from resnet50.codegen import source
from resnet50.cpu_count import cpu_count
from resnet50.instruction_sets import INSTRUCTION_SETS
from resnet50.tiles import Convolution
from test_compiler import run

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and seccomp")
TWO = pytest.mark.skipif(cpu_count() < 2, reason="needs two processors")


def tasks():
    """The number of threads of this process."""
    return len(os.listdir("/proc/self/task"))


def tasks_become(count):
    """Whether there are `count` threads, soon: one that has been joined may be listed a moment longer."""
    for _ in range(100):
        if tasks() == count:
            return True
        time.sleep(0.01)
    return False


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
def test_the_threads_of_a_network_begin_and_end_with_it(weights_dir):
    before = tasks()
    one, other = ResNet50(weights_dir, threads=3), ResNet50(weights_dir, threads=4)
    assert tasks() == before + 2 + 3
    one(random(0, 32, 32, 3)), other(random(0, 32, 32, 3))
    assert tasks_become(before + 2 + 3)  # those that compiled may take a moment to end
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
    assert time.process_time() - before < 0.05  # a spinning thread would use 1.0


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
    """{thread: the processors that it may use} for every thread of this process."""
    return {int(task): os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")}


@LINUX
@TWO
def test_an_affinity_set_during_an_inference_is_kept(weights_dir):
    """Set for all threads, as another program does (`taskset -ap`): a hundred times, at different moments."""
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
def test_an_invalid_number_of_threads_is_refused(value, weights_dir, monkeypatch):
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
