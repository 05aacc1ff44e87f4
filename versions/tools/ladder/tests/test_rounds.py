"""The order of the benchmark: who is timed when, and when it stops."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from ladder.core.worker import Answer
from ladder.timing.rounds import Limits, Timings, run, share


@dataclass
class Machine:
    """A clock that only its workers move, and what happened, in order."""

    now: float = 100.0
    events: list[str] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def between(self) -> None:
        self.events.append("peak")

    def tell(self, fraction: float, what: str) -> None:
        self.told.append((fraction, what))


@dataclass
class Stopwatch:
    """Takes always the same time."""

    name: str
    seconds: float
    machine: Machine

    def infer(self) -> Answer:
        self.machine.now += self.seconds
        self.machine.events.append(self.name)
        return Answer(self.seconds, 1000 * len(self.machine.events), np.zeros(1))


def timed(seconds: dict[str, float], rounds: int | None = None, budget: float = 1e9) -> tuple[Machine, Timings]:
    """A whole run."""
    machine, timings = Machine(), Timings()
    workers = [Stopwatch(name, value, machine) for name, value in seconds.items()]
    limits = Limits(rounds, machine.now + budget)
    run(workers, limits, timings, machine.between, machine.tell, machine.clock)
    return machine, timings


def test_slow_versions_take_part_in_proportion_to_the_root_of_their_time():
    assert share({"a": 1.0, "b": 3.9, "c": 4.0, "d": 15.9, "e": 16.0, "f": 100.0}) == dict(a=1, b=1, c=2, d=2, e=4, f=8)
    assert share({"only": 7.0}) == {"only": 1}


def test_every_round_has_the_peak_once_and_each_version_once():
    machine, timings = timed({"a": 1.0, "b": 1.0, "c": 1.0}, rounds=20)
    assert machine.events[:3] == ["a", "b", "c"]  # the warm-up
    orders = [machine.events[start : start + 4] for start in range(3, len(machine.events), 4)]
    assert len(orders) == 20 and all(order[0] == "peak" for order in orders)
    assert all(sorted(order[1:]) == ["a", "b", "c"] for order in orders)
    assert {tuple(order) for order in orders} > {tuple(orders[0])}  # not always in the same order
    assert timings.rounds == 20 and timings.memory["c"] is not None


def test_the_warm_up_counts_nowhere():
    _, timings = timed({"a": 1.0}, rounds=3)
    assert timings.seconds == {"a": {0: 1.0, 1: 1.0, 2: 1.0}} and timings.warm_up == {"a": 1.0}


def test_a_slow_versions_rounds_are_among_those_of_all_faster_ones():
    _, timings = timed({"slow": 70.0, "middle": 5.0, "fast": 1.0}, rounds=17)
    assert list(timings.seconds["slow"]) == [0, 8, 16]
    assert list(timings.seconds["middle"]) == list(range(0, 17, 2))
    assert list(timings.seconds["fast"]) == list(range(17))


def test_it_stops_before_the_budget_is_passed():
    machine, timings = timed({"a": 10.0, "b": 20.0}, budget=125.0)
    assert timings.rounds == 3 and machine.now - 100.0 == 30.0 * 4  # the warm-up, and three rounds
    assert timings.elapsed == 120.0


def test_the_first_round_is_run_whatever_the_budget():
    _, timings = timed({"a": 10.0, "b": 300.0}, budget=1.0)
    assert timings.rounds == 1 and timings.seconds == {"a": {0: 10.0}, "b": {0: 300.0}}


def test_what_is_told_goes_from_nothing_to_all():
    for machine, _ in (timed({"a": 1.0}, rounds=10), timed({"a": 1.0}, budget=11.0)):
        fractions = [fraction for fraction, _ in machine.told]
        assert fractions == sorted(fractions) and fractions[0] == 0 and 0.8 < fractions[-1] <= 1
    assert timed({"a": 1.0}, rounds=2)[0].told[-1][1] == "round 2: a"


def renewed(rounds: int | None, budget: float = 1e9, seconds: float = 1.0) -> list[int]:
    """The rounds before which the processes were started, in a run in which each round takes so many seconds."""
    machine, timings, workers = Machine(), Timings(), []

    def renew() -> None:
        machine.events.append("new")
        workers[0] = Stopwatch("a", seconds, machine)

    workers.append(Stopwatch("a", seconds, machine))
    run(workers, Limits(rounds, 100.0 + budget), timings, machine.between, machine.tell, machine.clock, renew=renew)
    assert machine.events.count("new") == len(timings.starts) - 1
    return timings.starts


def test_processes_are_started_anew_at_equal_distances():
    assert renewed(90) == list(range(0, 90, 10))
    assert renewed(30) == [0, 5, 10, 15, 20, 25]
    assert renewed(None, budget=91.0) == [0, 10, 20, 30, 40, 50, 60, 70, 80]  # the warm-up is the first second


def test_too_few_rounds_for_an_interval_of_starts_have_one_start():
    assert renewed(29) == [0] and renewed(None, budget=20.0) == [0] and renewed(1) == [0]


def test_what_was_measured_before_an_interruption_is_kept():
    machine, timings = Machine(), Timings()

    def interrupted() -> None:
        if timings.rounds == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([Stopwatch("a", 1.0, machine)], Limits(None, 1e9), timings, interrupted, machine.tell, machine.clock)
    assert timings.seconds == {"a": {0: 1.0, 1: 1.0}} and timings.rounds == 2
