"""A benchmark's results as numbers: the content of build/bench/results.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ladder.core import processor
from ladder.core.processor import Processor
from ladder.machine.peak import Peak, for_numbers
from ladder.timing import ratios
from ladder.timing.conditions import Conditions
from ladder.timing.contestants import Contestant, rival
from ladder.timing.neighbours import Taken
from ladder.timing.ratios import Ratio, paired
from ladder.timing.rounds import Timings
from shared_weights.architecture import layers

BASE = "03"  # the version that all others are compared with: plain loops in C


@dataclass(frozen=True)
class Line:
    """The times of a version or a peer with this number of `threads`, and the figures derived from them.

    `sources`: a digest of the version's, or how a peer is run. `rounds` and `seconds`: the rounds that count and
    include it, numbered from 0, and its time in each; every `period`-th round includes it. `quartiles`: the first and
    the third, in seconds. `faster`: how many times as fast it is as `previous` (for a peer: the newest version),
    `faster_than_base`: as the version BASE, `faster_than_alone`: as itself with one thread; None if the other one was
    not timed, or not in enough rounds. `flops`: floating-point operations per second, at the median time, counted as if
    each convolution were computed as it is defined; `share_of_peak`: their share of the peak of as many cores in such
    numbers, None if that is unknown; `int8`: whether these are 8-bit integers; `done`: the share of them that is really
    done, None for a peer, of which that is unknown. `load_seconds`: of a process's first network, with the version's
    compiled code already in the cache; `later_load_seconds`: of its second network, None for a peer. `peak_memory`: of
    the process, in bytes, None if the system does not report it.
    """

    name: str
    idea: str
    threads: int
    sources: str
    previous: str | None
    period: int
    rounds: list[int]
    seconds: list[float]
    median: float
    quartiles: tuple[float, float]
    spread: float
    faster: Ratio | None
    faster_than_base: Ratio | None
    faster_than_alone: Ratio | None
    flops: float
    share_of_peak: float | None
    load_seconds: float
    later_load_seconds: float | None
    warm_up_seconds: float
    peak_memory: int | None
    done: float | None = None
    int8: bool = False

    @property
    def marked(self) -> bool:
        """Whether other operations are done than are counted, so that these may be more than the peak allows."""
        return self.done not in (None, 1)


@dataclass(frozen=True)
class Results:
    """One run of the benchmark.

    `id`: its name, the time when it began (UTC) and the size; `options`: what was asked for. `rounds`: how many count;
    `dropped`: how many neighbours disturbed, so that they do not count; `disturbed`: they left too few, so that all
    count, but no ratio is taken. `starts`: before which rounds the versions were started. `neighbours`: what they took,
    None if that is unknown. `peak`: cores -> instruction set -> median of `peak_flops`.
    """

    id: str
    options: dict[str, Any]
    processor: Processor
    conditions: Conditions
    size: int
    began: str
    elapsed: float
    rounds: int
    dropped: int
    disturbed: bool
    starts: list[int]
    neighbours: Taken | None
    interrupted: bool
    peak: dict[int, dict[str, float]]
    peak_flops: dict[int, dict[str, list[float]]]
    versions: list[Line]
    peers: list[Line]

    def as_json(self) -> dict[str, Any]:
        """All results, in JSON's types."""
        return asdict(self)


def operations(size: int) -> int:
    """Floating-point operations of one inference at `size` x `size` pixels: two per multiply-add."""
    return 2 * sum(layer.multiply_adds for layer in layers(size, size))


def summarise(
    entries: list[Contestant],
    load: Mapping[str, tuple[float, float | None]],
    done: Mapping[str, float],
    timings: Timings,
    loops: Peak,
    options: dict[str, Any],
    **more: Any,
) -> Results:
    """The results of a run, without contestants that were not timed before an interruption.

    `load`: contestant -> seconds of the first and of a later loading; `done`: contestant -> as in Line; `more`: as in
    Results.
    """
    timed, size, peak = [entry for entry in entries if timings.of(entry.name)], options["size"], loops.medians()

    def lines(peers: bool) -> list[Line]:
        wanted = [entry for entry in timed if (entry.version is None) == peers]
        found = [line(entry, timed, size, load[entry.name], timings, highest(peak, entry)) for entry in wanted]
        return [replace(one, done=done.get(entry.name)) for entry, one in zip(wanted, found)]

    began = datetime.fromtimestamp(timings.began, UTC)
    return Results(
        id=f"{began:%Y-%m-%d-%H-%M-%S}-{size}",
        options=options,
        processor=processor.describe(),
        size=size,
        began=began.isoformat(timespec="seconds"),
        elapsed=timings.elapsed,
        rounds=timings.rounds if timings.disturbed else timings.kept,
        dropped=len(timings.dropped),
        disturbed=timings.disturbed,
        starts=timings.starts,
        peak=peak,
        peak_flops=loops.flops,
        versions=lines(peers=False),
        peers=lines(peers=True),
        **more,
    )


def highest(peak: dict[int, dict[str, float]], entry: Contestant) -> float | None:
    """The peak of as many cores with the fastest instruction set for such numbers; None if it is unknown."""
    return max(for_numbers(peak.get(entry.threads, {}), entry.int8).values(), default=None)


def line(
    entry: Contestant,
    timed: list[Contestant],
    size: int,
    load: tuple[float, float | None],
    timings: Timings,
    peak: float | None,
) -> Line:
    """One contestant's part of the results, among all that were `timed`; `peak`: operations per second."""

    def faster(other: Contestant | None) -> Ratio | None:
        return paired(timings.of(other.name), seconds, timings.starts) if other and not timings.disturbed else None

    seconds, flop, compared = timings.of(entry.name), operations(size), rival(entry, timed)
    first, median, third = ratios.quartiles(list(seconds.values()))
    return Line(
        name=entry.label,
        idea=entry.idea,
        threads=entry.threads,
        sources=entry.sources,
        previous=compared.label if compared else None,
        period=timings.periods[entry.name],
        rounds=list(seconds),
        seconds=list(seconds.values()),
        median=median,
        quartiles=(first, third),
        spread=(third - first) / median,
        faster=faster(compared),
        faster_than_base=faster(next((one for one in timed if one.version and one.version.number == BASE), None)),
        faster_than_alone=faster(
            next((one for one in timed if one.label == entry.label and one.threads == 1 != entry.threads), None)
        ),
        flops=flop / median,
        share_of_peak=flop / median / peak if peak else None,
        load_seconds=load[0],
        later_load_seconds=load[1],
        warm_up_seconds=timings.warm_up[entry.name],
        peak_memory=timings.memory[entry.name],
        int8=entry.int8,
    )
