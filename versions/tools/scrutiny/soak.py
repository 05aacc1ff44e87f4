"""`soak`: checks that long runs leak nothing, and that their outputs stay the same."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from rich.text import Text

from ladder.core import terminal, weights
from ladder.core.selection import select
from ladder.core.versions import Version
from scrutiny import networks
from scrutiny.networks import LISTED, Size
from scrutiny.process import Process, packed

FIRST = 100  # after this many times, or a third of all, a process's resources must not grow
SLACK = 2.0  # MB by which memory may still grow: the allocator works in pages and arenas
FEWER = 100  # versions without C do this many times fewer operations
FULL = Size(64, 1000, 224, 224)
BATCH = 10  # inferences of the full network between two looks at the clock

Answer = tuple[int, float, bytes]  # which image, seconds, logits
Ask = Callable[[int], list[Answer]]  # number of times -> as many answers


@dataclass(frozen=True)
class Footprint:
    """A process's resources: MB (10^6 bytes) of resident memory, file descriptors, threads."""

    memory: float
    files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """The current resources of the process with this number."""
        process = psutil.Process(pid)
        return cls(process.memory_info().rss / 1e6, process.num_fds(), process.num_threads())


@dataclass
class Run:
    """A repeated operation: the process's resources at first and at the end, the seconds of each time, the outputs.

    `expected`: the first logits for each image; `different`: how many later ones differed.
    """

    version: str
    what: str
    footprints: list[Footprint] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    expected: dict[int, bytes] = field(default_factory=dict)
    different: int = 0

    def step(self, process: Process, ask: Ask, times: int) -> None:
        """Request the operation this many more times, and record the process's resources."""
        for image, seconds, logits in ask(times):
            self.seconds.append(seconds)
            self.different += logits != self.expected.setdefault(image, logits)
        self.footprints.append(Footprint.of(process.pid))

    def cells(self) -> list[Text]:
        """The process's resources at first and their growth until the end, and whether the outputs were the same."""
        first, last = self.footprints[0], self.footprints[-1]
        more = last.memory - first.memory
        return [
            judged(f"{first.memory:.1f} MB {more:+.1f}", more <= SLACK),
            judged(f"{first.files} {last.files - first.files:+}", first.files == last.files),
            judged(f"{first.threads} {last.threads - first.threads:+}", first.threads == last.threads),
            judged(f"{self.different} differ" if self.different else "same", not self.different),
        ]


def judged(words: str, right: bool) -> Text:
    """Words in green if `right`, else in red."""
    return Text(words, style="green" if right else "red")


def soak(root: Path, names: Sequence[str], inferences: int, loads: int, minutes: float) -> int:
    """Run the versions and print the table; the exit code is 1 if anything leaked or an output changed."""
    versions = select(root, names, int8=True)
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as scratch:
        for version in versions:
            fewer = 1 if version.has_c() else FEWER
            runs += narrow(version, Path(scratch), -(-inferences // fewer), -(-loads // fewer))
    return report([*runs, full(versions[-1], minutes)])


def narrow(version: Version, scratch: Path, inferences: int, loads: int) -> list[Run]:
    """Inferences of one narrow network, on two images in turn; then loads, each with an inference and an unload.

    At every hundredth inference a bad image is rejected too, and at each load a bad weight folder.
    """
    whole = networks.write(scratch / "whole", networks.random_tensors(LISTED[0], 0))
    broken = networks.write(scratch / "broken", networks.random_tensors(LISTED[0], 0))
    (broken / "labels.txt").write_text("one label\n")
    images = [packed(networks.random_image(LISTED[0], seed)) for seed in range(2)]
    with Process(version) as process:

        def infer(times: int) -> list[Answer]:
            return list(process.ask("repeat", str(whole), images, times))

        def load(times: int) -> list[Answer]:
            return list(process.ask("reload", str(whole), str(broken), images[0], times))

        return [
            count(Run(version.name, "inferences"), process, infer, inferences),
            count(Run(version.name, "loads"), process, load, loads),
        ]


def count(run: Run, process: Process, ask: Ask, times: int) -> Run:
    """Do the operation this many times, FIRST at a time."""
    step = min(FIRST, -(-times // 3))
    with terminal.progress(f"{run.version}: {run.what}", -(-times // step)) as begin:
        while (done := len(run.seconds)) < times:
            begin(f"{done:,} done")
            run.step(process, ask, min(step, times - done))
    return run


def full(version: Version, minutes: float) -> Run:
    """Run the full network on an image of 224 x 224 pixels for this many minutes."""
    run = Run(version.name, "224 x 224")
    folder, images = str(weights.find("synthetic")), [packed(networks.random_image(FULL, 0))]
    with Process(version) as process, terminal.still_progress(f"{run.version}: {run.what}") as progress:

        def infer(times: int) -> list[Answer]:
            return list(process.ask("repeat", folder, images, times))

        begin = time.monotonic()
        while len(run.footprints) < 2 or time.monotonic() < begin + 60 * minutes:
            run.step(process, infer, BATCH)
            progress((time.monotonic() - begin) / (60 * minutes), f"{len(run.seconds):,} done")
    return run


def report(runs: list[Run]) -> int:
    """Print the table, and the times of the last run; the exit code is 1 if anything is wrong."""
    table = terminal.table("What a process holds at first, and how much more at the end")
    for head in ("version", "what", "times", "memory", "files", "threads", "outputs"):
        table.add_column(head, justify="right" if head == "times" else "left")
    for run in runs:
        table.add_row(run.version, run.what, f"{len(run.seconds):,}", *run.cells())
    terminal.output().print(table)
    median, late = 1e3 * np.percentile(runs[-1].seconds, [50, 99])
    last = f"{runs[-1].version}, {runs[-1].what}"
    terminal.output().print(f"{last}: median {median:.2f} ms, 99th percentile {late:.2f} ms")
    return 1 if any(cell.style == "red" for run in runs for cell in run.cells()) else 0
