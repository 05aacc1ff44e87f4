"""`hardening`: what the stack protector costs, beside what two processes of the same build differ by."""

import math
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.versions import Version
from ladder.core.worker import Worker
from ladder.outputs import agreement
from ladder.timing import ratios, rounds
from ladder.timing.rounds import Limits, Timings

SIZE = 64  # pixels: the fixed work of a layer, where the protected functions are, weighs more than at 224
BUILDS = {"protected": "release", "again": "release", "unprotected": "unprotected"}  # process -> its build


@dataclass
class Cost:
    """A version's ratios of times, one from each set of processes: the median over the rounds.

    `cost`: protected over unprotected; `noise`: protected over another process of the same build.
    """

    version: str
    cost: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)

    def add(self, timings: Timings) -> None:
        """What one set of processes took."""
        protected = timings.seconds["protected"]
        for values, rival in ((self.cost, "unprotected"), (self.noise, "again")):
            if ratio := ratios.paired(protected, timings.seconds[rival]):
                values.append(ratio.median)


def hardening(root: Path, names: Iterable[str], starts: int, most: int) -> int:
    """Print the ratios of every version that has C; the exit code is 0, or 130 if Ctrl-C ended the measurement early.

    `starts`: how often the processes are begun anew, since two of the same build differ, in all of their rounds alike;
    `most`: rounds in each.
    """
    versions = [version for version in agreement.select(root, names) if version.has_c()]
    if not versions:
        raise LadderError("none of these versions has C")
    folder = weights.find("synthetic")
    pythons = {version.name: interpreters(version) for version in versions}
    costs, order, code = [Cost(version.name) for version in versions], Random(0), 0
    try:
        with terminal.progress("hardening", len(versions) * starts) as begin:
            for cost in costs:
                for start in range(starts):
                    begin(f"{cost.version}, start {start + 1}")
                    cost.add(time(pythons[cost.version], folder, most, order))
    except KeyboardInterrupt:
        if not costs[0].cost:
            raise
        code = 130
    report([cost for cost in costs if cost.cost])
    return code


def interpreters(version: Version) -> dict[str, Path]:
    """Process -> the Python in which its build is installed."""
    return {process: environment.python(version, build) for process, build in BUILDS.items()}


def time(pythons: dict[str, Path], folder: Path, most: int, order: Random) -> Timings:
    """The processes of one version, begun anew in a random order and timed in alternating rounds, one thread each."""
    timings = Timings()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(process, python, folder, size=SIZE, threads=1))
            for process, python in order.sample(list(pythons.items()), len(pythons))
        ]
        for worker in workers:
            worker.infer()  # some compile now, which is not to pass for a slow version's warm-up
        rounds.run(workers, Limits(most, math.inf), timings, lambda: None, lambda fraction, step: None)
    return timings


def report(costs: Iterable[Cost]) -> None:
    """Print the table."""
    table = terminal.table(f"Time with the stack protector over time without, {SIZE} x {SIZE} pixels")
    for head in ("version", "starts", "with / without", "the same build twice"):
        table.add_column(head, justify="right" if head == "starts" else "left")
    for cost in costs:
        table.add_row(cost.version, str(len(cost.cost)), shown(cost.cost), shown(cost.noise))
    terminal.output().print(table)


def shown(values: list[float]) -> str:
    """The median, and its 95 % confidence interval where there are values enough for one."""
    interval = ratios.median_interval(values)
    return f"{np.median(values):.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
