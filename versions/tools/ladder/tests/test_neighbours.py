"""Neighbours: noticed by what they take of the processors' time, their rounds dropped; and started on purpose."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from ladder.core.worker import Answer
from ladder.timing import neighbours
from ladder.timing.neighbours import Counters, Judge, Taken, busy, count
from ladder.timing.rounds import Limits, Timings, run

STAT = """cpu  9000 9 900 90000 90 9 9 90 0 0
cpu0 1000 0 100 5000 50 0 0 30 0 0
cpu1 1000 0 100 7000 25 0 0 20 0 0
cpu2 7000 9 700 78000 15 9 9 40 0 0
intr 1 2 3
"""


def counted(loads: list[float], seconds: float = 1.0, steal: float = 0.0) -> list[Counters]:
    """The counters at first, and after each round, in which others take such a share of two processors, we a half."""
    found = [Counters(100.0, 2, 50.0, 7.0, 3.0)]
    for load in loads:
        now, whole = found[-1], 2 * seconds
        idle = now.idle + whole * (0.5 - load)
        found.append(Counters(now.clock + seconds, 2, idle, now.steal + steal * whole, now.own + 0.5 * whole))
    return found


def timed(rounds: int, counters: list[Counters | None]) -> tuple[Timings, Judge]:
    """A run with such counters at first and after each round; with the last ones when there are no more."""

    class Quick:
        name = "a"

        def infer(self) -> Answer:
            return Answer(0.1, None, np.zeros(1))

    timings = Timings()
    judge = Judge(lambda: counters[min(timings.rounds, len(counters) - 1)])
    run([Quick()], Limits(rounds, 1e9), timings, lambda: None, lambda *told: None, lambda: 0.0, judge)
    return timings, judge


def test_rounds_with_neighbours_are_dropped_and_repeated():
    timings, judge = timed(6, counted([0.0, 0.05, 0.0, 0.03, 0.019, 0.0, 0.0, 0.0]))
    assert timings.dropped == {1, 3} and (timings.rounds, timings.kept, timings.disturbed) == (8, 6, False)
    assert list(timings.of("a")) == [0, 2, 4, 5, 6, 7]
    assert judge.total() == Taken(pytest.approx(0.099 / 8), 0.0)


def test_steal_counts_as_a_neighbours_time():
    assert not timed(6, counted([0.01] * 12, steal=0.009))[0].dropped
    timings, judge = timed(6, counted([0.01] * 12, steal=0.011))
    assert len(timings.dropped) == 12 and judge.total() == Taken(pytest.approx(0.01), pytest.approx(0.011))


def test_there_are_never_more_than_twice_as_many_rounds_and_their_times_are_not_lost():
    timings, _ = timed(7, counted([0.5] * 14))
    assert (timings.rounds, timings.kept, timings.disturbed) == (14, 0, True)
    assert list(timings.of("a")) == list(range(14))


def test_short_rounds_are_judged_together():
    timings, _ = timed(8, counted([0.0, 0.0, 0.0, 0.2] + [0.0] * 8, seconds=0.25))
    assert timings.dropped == {0, 1, 2, 3} and timings.kept == 8


def test_the_last_rounds_are_judged_with_those_before_them_if_they_are_short():
    timings, _ = timed(5, counted([0.0] * 4 + [0.2] + [0.0] * 8, seconds=0.25))
    assert timings.dropped == {4} and timings.kept == 5


def test_rounds_of_less_than_a_second_in_all_are_not_judged():
    timings, judge = timed(6, counted([0.5] * 6, seconds=0.125))
    assert not timings.dropped and judge.total() is None


def test_where_nothing_is_counted_nothing_is_dropped():
    timings, judge = timed(6, [None])
    assert timings.kept == 6 and not timings.dropped and judge.total() is None


def test_the_warm_up_is_not_judged():
    first, *later = counted([0.5, 0.0, 0.0, 0.0])
    counters = iter([first, *later])  # the first is read before the warm-up, the second after it
    judge, timings = Judge(lambda: next(counters)), Timings()
    judge(timings, False)
    timings.rounds = 1
    judge(timings, False)
    assert not timings.dropped and judge.total() == Taken(0.0, 0.0)


def test_what_happens_unwatched_is_not_judged():
    now = Counters(100.0, 2, 50.0, 7.0, 3.0)
    judge, timings = Judge(lambda: now), Timings()
    judge(timings, False)
    for _ in range(2):
        timings.rounds += 1
        now = Counters(now.clock + 0.75, 2, now.idle + 0.75, now.steal, now.own + 0.75)
        judge(timings, False)
        with judge.unwatched():  # a process of ours ends, with the time that it has used, and others take all there is
            now = Counters(now.clock + 9.0, 2, now.idle, now.steal, 1.0)
    assert judge.judged == 2 and not timings.dropped and judge.total() == Taken(0.0, 0.0)


def test_only_the_processors_that_we_may_use_are_counted(tmp_path: Path):
    (tmp_path / "stat").write_text(STAT)
    found = count([3, 4], tmp_path / "stat", lambda: 5.0, {3: 0.25, 4: 0.5}.__getitem__, {0, 1})
    tick = os.sysconf("SC_CLK_TCK")
    assert found == Counters(5.0, 2, 12075 / tick, 50 / tick, 0.75)


@pytest.mark.parametrize("text", [None, "", "cpu0 1 2 3 4\n", "cpu0 a b c d e f g h\n", STAT.replace("cpu0", "cpu7")])
def test_what_a_system_does_not_tell_is_not_counted(text: str | None, tmp_path: Path):
    if text is not None:
        (tmp_path / "stat").write_text(text)
    assert count([], tmp_path / "stat", places={0}) is None


def test_a_process_that_has_ended_is_not_counted(tmp_path: Path):
    (tmp_path / "stat").write_text(STAT)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert count([process.pid], tmp_path / "stat", places={0}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the clock of another process is Linux's")
def test_a_processs_time_is_that_of_its_own_clock():
    before = time.process_time()
    assert before <= neighbours.processor_time(os.getpid()) <= time.process_time()


def test_busy_processes_are_ended_also_after_an_error():
    with pytest.raises(KeyboardInterrupt), busy(2) as pids:
        assert len(set(pids)) == 2 and all(map(psutil.pid_exists, pids))
        raise KeyboardInterrupt
    assert not any(map(psutil.pid_exists, pids))


BUSY = """
import os, time
from ladder.timing.neighbours import busy
if hasattr(os, "SCHED_BATCH"):
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
with busy(1) as [pid]:
    print(pid, flush=True)
    time.sleep(600)
"""


def test_busy_processes_have_the_normal_priority_and_end_when_their_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as parent:
        process = psutil.Process(int(parent.stdout.readline()))
        while hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(process.pid) != os.SCHED_OTHER:
            assert process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            time.sleep(0.01)
        parent.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
