"""Timing versions in alternating rounds, so that a drift of the machine affects all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from random import Random
from typing import Protocol

from ladder.core.worker import Answer


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
    `began`: seconds since 1970; `elapsed`: seconds from the warm-up to the end of the last inference.
    """

    warm_up: dict[str, float] = field(default_factory=dict)
    periods: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    memory: dict[str, int | None] = field(default_factory=dict)
    rounds: int = 0
    began: float = field(default_factory=time.time)
    elapsed: float = 0.0


@dataclass(frozen=True)
class Limits:
    """When to stop: after this many rounds, or at this time of `time.monotonic()`, whichever comes first."""

    rounds: int | None
    deadline: float


def share(seconds: Mapping[str, float]) -> dict[str, int]:
    """Version -> k, if only every k-th round includes it; 1 for the fastest.

    For a given total time the medians' variances have the smallest sum if a version is measured in proportion to
    1 / sqrt(its time) (Cochran, Sampling Techniques, section 5.5, with equal relative spreads). So k is
    sqrt(its time / the fastest's), rounded down to a power of two: then a slow version's rounds are among those of
    every faster one, and any two versions have all rounds of the slower one in common.
    """
    fastest = min(seconds.values())
    return {name: 2 ** int(log2(time / fastest) / 2) for name, time in seconds.items()}


def run(
    workers: Sequence[Timed],
    limits: Limits,
    timings: Timings,
    between: Callable[[], None],
    report: Callable[[float, str], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Time the workers and fill in `timings`. The first round includes all of them and is run whatever the limits.

    `between` is called before each round; `report(fraction, what)` before each inference, with the fraction done.
    Within a round the order is random, so that no version always finds the caches as the same other one left them.
    """
    started, order = clock(), Random(0)

    def done() -> float:
        budget = max(limits.deadline - started, 1e-9)
        return max((clock() - started) / budget, timings.rounds / (limits.rounds or float("inf")))

    for worker in workers:
        report(done(), f"warm-up: {worker.name}")
        timings.warm_up[worker.name] = worker.infer().seconds
    timings.periods.update(share(timings.warm_up))
    timings.seconds.update({worker.name: {} for worker in workers})
    while True:
        number = timings.rounds
        turn = [worker for worker in workers if number % timings.periods[worker.name] == 0]
        needed = sum(timings.warm_up[worker.name] for worker in turn)
        if number and (number == limits.rounds or clock() + needed > limits.deadline):
            return
        between()
        for worker in order.sample(turn, len(turn)):
            report(done(), f"round {number + 1}: {worker.name}")
            answer = worker.infer()
            timings.seconds[worker.name][number] = answer.seconds
            timings.memory[worker.name] = answer.peak_memory
            timings.elapsed = clock() - started
        timings.rounds += 1
