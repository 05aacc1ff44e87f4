"""What a benchmark found, in numbers: the content of build/bench/results.json."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ladder import processor, ratios
from ladder.ratios import Ratio
from ladder.rounds import Timings
from ladder.versions import Version
from shared_weights.architecture import layers

BASE = "03"  # the number of the version that all are compared with: plain loops in C


@dataclass(frozen=True)
class Line:
    """One version's times and what follows from them.

    `rounds` and `seconds`: the rounds, counted from 0, in which it took part, and its time in each; it took part in
    one of every `period` rounds. `quartiles`: the first and the third one, in seconds. `faster`: how many times faster
    it is than `previous`, `faster_than_base`: than the version BASE; None where the other one was not timed.
    `flops`: floating-point operations in a second, at the median time; `share_of_peak`: over the peak of one core, None
    where that is unknown. `peak_memory`: of the process, in bytes, None where the system does not tell it.
    """

    name: str
    idea: str
    previous: str | None
    period: int
    rounds: list[int]
    seconds: list[float]
    median: float
    quartiles: tuple[float, float]
    spread: float
    faster: Ratio | None
    faster_than_base: Ratio | None
    flops: float
    share_of_peak: float | None
    load_seconds: float
    warm_up_seconds: float
    peak_memory: int | None


@dataclass(frozen=True)
class Results:
    """One run of the benchmark; `peak`: instruction set -> median of `peak_flops`, both for one core."""

    processor: str
    cores: int
    size: int
    began: str
    elapsed: float
    rounds: int
    interrupted: bool
    peak: dict[str, float]
    peak_flops: dict[str, list[float]]
    versions: list[Line]

    def as_json(self) -> dict[str, Any]:
        """Everything, in JSON's types."""
        return asdict(self)


def operations(size: int) -> int:
    """Floating-point operations of one inference at `size` x `size` pixels: two for each multiply-add."""
    return 2 * sum(layer.multiply_adds for layer in layers(size, size))


def summarise(
    versions: list[Version],
    size: int,
    load: Mapping[str, float],
    timings: Timings,
    peak: dict[str, float],
    peak_flops: dict[str, list[float]],
    interrupted: bool,
) -> Results:
    """The results of a run; a version that was not reached before an interruption is left out.

    `load`: version -> seconds; `peak` and `peak_flops` as in Results.
    """
    timed = [version for version in versions if timings.seconds.get(version.name)]
    base = next((version.name for version in timed if version.number == BASE), None)
    best = max(peak.values(), default=None)
    return Results(
        processor=processor.name(),
        cores=os.cpu_count() or 1,
        size=size,
        began=datetime.fromtimestamp(timings.began, UTC).isoformat(timespec="seconds"),
        elapsed=timings.elapsed,
        rounds=timings.rounds,
        interrupted=interrupted,
        peak=peak,
        peak_flops=peak_flops,
        versions=[line(version, base, operations(size), load[version.name], timings, best) for version in timed],
    )


def line(
    version: Version, base: str | None, flop: int, load_seconds: float, timings: Timings, peak: float | None
) -> Line:
    """One version's part of the results; `flop`: operations of one inference, `peak`: operations in a second."""
    name, seconds = version.name, timings.seconds[version.name]
    first, median, third = ratios.quartiles(list(seconds.values()))
    return Line(
        name=name,
        idea=version.idea,
        previous=version.previous,
        period=timings.periods[name],
        rounds=list(seconds),
        seconds=list(seconds.values()),
        median=median,
        quartiles=(first, third),
        spread=(third - first) / median,
        faster=ratios.paired(timings.seconds.get(version.previous or "", {}), seconds),
        faster_than_base=ratios.paired(timings.seconds[base], seconds) if base else None,
        flops=flop / median,
        share_of_peak=flop / median / peak if peak else None,
        load_seconds=load_seconds,
        warm_up_seconds=timings.warm_up[name],
        peak_memory=timings.memory[name],
    )
