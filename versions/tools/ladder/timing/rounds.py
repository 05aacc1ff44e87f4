"""Timing versions in alternating rounds, so that a drift of the machine affects all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from random import Random
from typing import Protocol

from ladder.core.worker import Answer
from ladder.timing.ratios import FEWEST

# Processes of the same version differ for as long as they live, by where their memory happens to lie. (Ten pairs of
# processes of 08, 300 rounds each at 64 pixels: the pairs' ratios had a standard deviation of 0.45 %, and seven of the
# ten intervals left out 1.) So the versions are restarted now and then.
STARTS = 9
PER_START = 5  # rounds at least


class Timed(Protocol):
    """Anything that can be timed: a worker, which answers with the seconds of one inference."""

    name: str

    def infer(self) -> Answer:
        """One inference of the random image."""


@dataclass
class Timings:
    """The measurements so far, filled in round by round, so that an interrupted run keeps what it has.

    `warm_up`: version -> seconds of its first inference, which does not count. `seconds`: version -> round -> seconds
    of its inference in that round. `memory`: version -> the process's peak so far in bytes, None if unknown.
    `rounds`: how many there were; `dropped`: the numbers of those that neighbours disturbed; `starts`: of those before
    which the processes were started. `began`: seconds since 1970; `elapsed`: seconds from the warm-up to the end.
    """

    warm_up: dict[str, float] = field(default_factory=dict)
    periods: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    memory: dict[str, int | None] = field(default_factory=dict)
    rounds: int = 0
    dropped: set[int] = field(default_factory=set)
    starts: list[int] = field(default_factory=lambda: [0])
    began: float = field(default_factory=time.time)
    elapsed: float = 0.0

    @property
    def kept(self) -> int:
        """How many rounds were not dropped."""
        return self.rounds - len(self.dropped)

    @property
    def disturbed(self) -> bool:
        """Whether neighbours left too few rounds for any ratio. Then the dropped ones are all that there is to show."""
        return bool(self.dropped) and self.kept < FEWEST

    def turn(self, workers: Sequence[Timed]) -> list[Timed]:
        """Those that the next round includes."""
        return [worker for worker in workers if self.kept % self.periods[worker.name] == 0]

    def of(self, name: str) -> dict[int, float]:
        """Round -> seconds of a version, in the rounds that count: those not dropped, or all if `disturbed`."""
        found = self.seconds.get(name, {})
        return {number: value for number, value in found.items() if self.disturbed or number not in self.dropped}


@dataclass(frozen=True)
class Limits:
    """When to stop: after this many rounds, or at this time of `time.monotonic()`, whichever comes first.

    A dropped round is repeated, but there are never more than twice as many rounds.
    """

    rounds: int | None
    deadline: float

    @property
    def most(self) -> float:
        """The number of rounds, infinite if it is not limited."""
        return float("inf") if self.rounds is None else self.rounds

    def expected(self, timings: Timings, now: float) -> float:
        """How many rounds to expect after the warm-up."""
        mean = sum(seconds / timings.periods[name] for name, seconds in timings.warm_up.items())
        return min(self.most, (self.deadline - now) / mean)

    def reached(self, timings: Timings) -> bool:
        """Whether no more rounds are wanted."""
        return timings.kept >= self.most or timings.rounds >= 2 * self.most


def share(seconds: Mapping[str, float]) -> dict[str, int]:
    """Version -> k, if only every k-th round includes it; 1 for the fastest.

    For a given total time the medians' variances have the smallest sum if a version is measured in proportion to
    1 / sqrt(its time) (Cochran, Sampling Techniques, section 5.5, with equal relative spreads). So k is
    sqrt(its time / the fastest's), rounded down to a power of two: then a slow version's rounds are among those of
    every faster one, and any two versions have all rounds of the slower one in common.
    """
    fastest = min(seconds.values())
    return {name: 2 ** int(log2(time / fastest) / 2) for name, time in seconds.items()}


def planned_starts(rounds: float) -> int:
    """How many times to start the versions in so many rounds: STARTS, or fewer so that each has PER_START rounds.

    Once if that makes fewer than FEWEST, of which no interval could be taken.
    """
    starts = int(min(STARTS, rounds / PER_START))
    return starts if starts >= FEWEST else 1


def keep_all(timings: Timings, last: bool) -> None:
    """The judge of a measurement that drops no rounds."""


def run(
    workers: Sequence[Timed],
    limits: Limits,
    timings: Timings,
    between: Callable[[], None],
    report: Callable[[float, str], None],
    clock: Callable[[], float] = time.monotonic,
    judge: Callable[[Timings, bool], None] = keep_all,
    renew: Callable[[], None] | None = None,
) -> None:
    """Time the workers and fill in `timings`. The first round includes all of them and is run whatever the limits.

    `between` is called before each round; `report(fraction, what)` before each inference, with the fraction done;
    `judge(timings, last)` after each round, to drop disturbed ones, with `last` set if it must not wait for more;
    `renew` now and then, to put new processes into `workers`. Within a round the order is random, so that no version
    always finds the caches as the same other one left them.
    """
    started, order = clock(), Random(0)

    def done() -> float:
        return max((clock() - started) / max(limits.deadline - started, 1e-9), timings.kept / limits.most)

    def enough(last: bool) -> bool:
        judge(timings, last)  # may drop rounds, which are then repeated
        needed = sum(timings.warm_up[worker.name] for worker in timings.turn(workers))
        return timings.rounds > 0 and (limits.reached(timings) or clock() + needed > limits.deadline)

    warm_up(workers, timings, lambda name: report(done(), f"warm-up: {name}"))
    starts = planned_starts(limits.expected(timings, clock())) if renew else 1
    try:
        while not (enough(last=False) and enough(last=True)):
            if renew and min(done(), 1 - 1e-9) * starts >= len(timings.starts):
                renew()
                timings.starts.append(timings.rounds)
            between()
            turn = timings.turn(workers)
            time_round(order.sample(turn, len(turn)), timings, lambda what: report(done(), what))
    finally:
        timings.elapsed = clock() - started
        judge(timings, True)


def time_round(workers: Sequence[Timed], timings: Timings, report: Callable[[str], None]) -> None:
    """An inference with each worker, in this order."""
    for worker in workers:
        report(f"round {timings.kept + 1}: {worker.name}")
        answer = worker.infer()
        timings.seconds[worker.name][timings.rounds] = answer.seconds
        timings.memory[worker.name] = answer.peak_memory
    timings.rounds += 1


def warm_up(workers: Sequence[Timed], timings: Timings, report: Callable[[str], None]) -> None:
    """An inference with each worker, which does not count; from its time follows how often each takes part."""
    for worker in workers:
        report(worker.name)
        timings.warm_up[worker.name] = worker.infer().seconds
    timings.periods.update(share(timings.warm_up))
    timings.seconds.update({worker.name: {} for worker in workers})
