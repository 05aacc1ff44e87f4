"""Other processes beside a measurement: noticing them, so that the rounds they disturb are dropped; and starting some.

Two things take processor time from a measurement: other processes, and steal, the time in which a virtual machine's
processor was ready to run but the host ran something else (`st` in top).
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ladder.timing.rounds import Timings

LIMIT = 0.02  # of all processors' time; where neighbours take more, the rounds are dropped
# Rounds are judged together until they have lasted this long: Linux tells idle time in hundredths of a second, which is
# 0.5 % of a second of two processors.
WINDOW = 1.0  # seconds
STAT = Path("/proc/stat")

# It ends within a tenth of a second after its parent, however that ended. It would inherit a real-time priority.
LOOP = """
import os, sys
if hasattr(os, "sched_setscheduler"):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""


@dataclass(frozen=True)
class Counters:
    """Seconds so far: of the clock; and, summed over `processors`, of idle time, of steal, and of our own processes."""

    clock: float
    processors: int
    idle: float
    steal: float
    own: float

    def moved(self, left: Self, back: Self) -> Self:
        """These counters plus what was counted from one moment to another: as if that had been before them."""
        return replace(
            self,
            clock=self.clock + back.clock - left.clock,
            idle=self.idle + back.idle - left.idle,
            steal=self.steal + back.steal - left.steal,
            own=self.own + back.own - left.own,
        )


@dataclass(frozen=True)
class Taken:
    """The shares of all processors' time that other processes and steal have taken."""

    others: float
    steal: float

    @classmethod
    def between(cls, before: Counters, after: Counters) -> Self:
        """The shares from one moment to another.

        What was neither idle nor ours was the others'. Steal is added, since Linux counts it as time of the process
        that it was taken from. (A kernel built with PARAVIRT_TIME_ACCOUNTING does not; there it counts twice.)
        """
        whole = (after.clock - before.clock) * after.processors
        others = whole - (after.idle - before.idle) - (after.own - before.own)
        return cls(max(0.0, others / whole), (after.steal - before.steal) / whole)


class Judge:
    """Drops the rounds in which neighbours took more than LIMIT; `rounds.run` calls it.

    `read`: the counters of this moment, None if the system does not tell them; then no round is dropped.
    """

    def __init__(self, read: Callable[[], Counters | None]):
        self.read = read
        self.judged = 0  # rounds
        self.first = self.earlier = self.before = self.now = read()  # the last two windows begin at earlier and before

    def __call__(self, timings: Timings, last: bool) -> None:
        """Judge the rounds since the last time, if they have lasted for WINDOW.

        If they have not and `last` is set, they are judged together with those before them.
        """
        self.now = self.read()
        if not timings.rounds:  # the warm-up is not judged
            self.first = self.earlier = self.before = self.now
        taken = self.taken(self.before) or (self.taken(self.earlier) if last else None)
        if taken and taken.others + taken.steal > LIMIT:
            timings.dropped.update(range(self.judged, timings.rounds))
        if taken:
            self.earlier, self.before, self.judged = self.before, self.now, timings.rounds

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """For what happens between two rounds and is not to be judged, such as that a process of ours ends."""
        left = self.read()
        yield
        back = self.read()
        if left and back:
            marks = [mark and mark.moved(left, back) for mark in (self.first, self.earlier, self.before, self.now)]
            self.first, self.earlier, self.before, self.now = marks

    def taken(self, since: Counters | None) -> Taken | None:
        """What neighbours have taken since then; None if that is not known, or for less than WINDOW."""
        if since is None or self.now is None or self.now.clock - since.clock < WINDOW:
            return None
        return Taken.between(since, self.now)

    def total(self) -> Taken | None:
        """What neighbours have taken since the warm-up; None if that is not known, or for less than WINDOW."""
        return self.taken(self.first)


def count(
    pids: Sequence[int],
    stat: Path = STAT,
    clock: Callable[[], float] = time.monotonic,
    used: Callable[[int], float] | None = None,
    places: Collection[int] | None = None,
) -> Counters | None:
    """The counters of this moment; None if the system does not tell them.

    `pids`: our own processes; `stat`, `clock`, `used` (a process's processor time) and `places` (the processors that we
    may use) can be replaced for tests.
    """
    try:
        places = os.sched_getaffinity(0) if places is None else places
        lines = [line.split() for line in stat.read_text().splitlines() if re.match(r"cpu\d", line)]
        mine = [[int(word) for word in words] for name, *words in lines if int(name[3:]) in places]
        own = sum(map(used or processor_time, pids))
        idle = sum(words[3] + words[4] for words in mine)  # idle and iowait
        steal = sum(words[7] for words in mine)
    except (AttributeError, OSError, ValueError, LookupError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    return Counters(clock(), len(mine), idle / tick, steal / tick, own) if mine else None


def processor_time(pid: int) -> float:
    """The processor time that a process and all its threads have used so far, in seconds.

    It is read from the clock that clock_getcpuclockid(3) gives for the process, in nanoseconds: /proc/PID/stat has
    hundredths of a second, which is more than an inference takes.
    """
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def busy(number: int) -> Iterator[list[int]]:
    """Runs so many endless loops, one process each; yields their process numbers."""
    with ExitStack() as stack:
        pids = []
        for _ in range(number):
            command = [sys.executable, "-c", LOOP, str(os.getpid())]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            pids.append(process.pid)
        yield pids
