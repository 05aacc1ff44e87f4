"""A profile's results as numbers: the content of build/profile/VERSION.json."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from ladder.core.errors import WorkerError
from ladder.layers.layer_worker import LayerTime
from ladder.timing import cost
from ladder.timing.contestants import Contestant
from ladder.timing.cost import Work
from shared_weights.architecture import Layer

Item = TypeVar("Item")

CLOSE = 0.05  # by how much the whole may differ from the sum of its layers


@dataclass(frozen=True)
class Row:
    """A layer, or a step of several in one, under the last one's name; or several added up, without shape and kind.

    `seconds`: the mean of the fastest tenth of the inferences; `operations` and `bytes`: the fewest possible, see
    cost.py; `limit`: the seconds of the roofline. A convolution that is computed in another way than defined counts in
    `operations` as if it were not; `done`, the operations that are really done, `bytes` and `limit` say what it takes.
    """

    name: str
    stage: str
    kind: str
    shape: tuple[int, ...]
    seconds: float
    operations: int
    done: int
    bytes: int
    limit: float

    @property
    def flops(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds

    @property
    def done_flops(self) -> float:
        """Operations that are really done, per second."""
        return self.done / self.seconds

    @property
    def intensity(self) -> float:
        """The arithmetic intensity: operations that are really done, per byte."""
        return self.done / self.bytes

    @property
    def marked(self) -> bool:
        """Whether other operations are done than are counted, so that these may be more than the peak allows."""
        return self.done != self.operations


@dataclass(frozen=True)
class Profile:
    """One version's layers. `whole`: seconds of an inference without `on_layer`, one for each round.

    `whole_seconds` and the rows' seconds are means of the fastest tenth of the inferences, without and with `on_layer`.
    Means add up, medians do not: on a busy machine something disturbs nearly every inference, but seldom a given layer.
    `peak` and `bandwidth`: operations and bytes per second of as many cores as the version has `threads`; the peak is
    None if unknown. `untold`: layers that the version does not report. `int8`: its operations, the peak's and its bytes
    are those of 8-bit integers, not float32.
    """

    version: str
    idea: str
    threads: int
    whole: list[float]
    whole_seconds: float
    peak: float | None
    bandwidth: float
    rows: list[Row]
    untold: list[str]
    int8: bool = False

    @property
    def total(self) -> Row:
        """The seconds of all rows together."""
        return add_up("total", self.rows)

    @property
    def apart(self) -> float:
        """How much longer the whole takes than the rows together, relative to their sum."""
        return self.whole_seconds / self.total.seconds - 1

    def as_json(self) -> dict[str, Any]:
        """The profile in JSON's types."""
        return asdict(self) | {"rows_seconds": self.total.seconds, "apart": self.apart}


def add_up(name: str, rows: Sequence[Row]) -> Row:
    """The sum of some rows, under its own name."""
    return Row(
        name=name,
        stage="",
        kind="",
        shape=(),
        seconds=sum(row.seconds for row in rows),
        operations=sum(row.operations for row in rows),
        done=sum(row.done for row in rows),
        bytes=sum(row.bytes for row in rows),
        limit=sum(row.limit for row in rows),
    )


def groups(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    """The rows by their stage or their kind, in the order in which these first appear."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def summarise(
    entry: Contestant,
    network: Sequence[Layer],
    works: Mapping[str, Work | None],
    whole: list[float],
    runs: Sequence[Sequence[LayerTime]],
    peak: float | None,
    bandwidth: float,
) -> Profile:
    """The profile of a version from its rounds; `network`: the layers as they should be, `runs`: as it reported them.

    `works`: what it really does, as `work.really_done` has it.

    Raises WorkerError if it reported a layer that the network does not have, or one with another shape, or different
    layers from run to run.
    """
    known = {layer.name: layer for layer in network}
    names = [timed.name for timed in runs[0]]
    for timed in (timed for run in runs for timed in run):
        if timed.name not in known or timed.shape != known[timed.name].output:
            raise WorkerError(f"{entry.name} reported {timed.name} {timed.shape}, which is not a layer of the network")
    if len(set(names)) < len(names) or any([timed.name for timed in run] != names for run in runs):
        raise WorkerError(f"{entry.name} reported a layer twice, or different layers in different inferences")
    fastest = fastest_tenth(runs, lambda run: sum(timed.seconds for timed in run))
    steps = cost.steps(network, names, entry.version is not None and entry.version.fuses)
    rows = []
    for times in zip(*fastest, strict=True):
        name, seconds = times[0].name, statistics.fmean(timed.seconds for timed in times)
        rows.append(row_of(steps[name], works.get(name), seconds, peak, bandwidth, 1 if entry.int8 else 4))
    whole_seconds, untold = statistics.fmean(fastest_tenth(whole, float)), [name for name in known if name not in names]
    told = entry.label, entry.idea, entry.threads, whole, whole_seconds, peak, bandwidth, rows, untold
    return Profile(*told, int8=entry.int8)


def row_of(
    step: Sequence[Layer], work: Work | None, seconds: float, peak: float | None, bandwidth: float, size: int
) -> Row:
    """The row of a step that took so many seconds; `size`: the bytes of a number."""
    done, moved = cost.done(step, work), (work.bytes if work else cost.moved_bytes(step)) * size // 4
    return Row(
        name=step[-1].name,
        stage=step[-1].stage,
        kind=cost.kind(step),
        shape=step[-1].output,
        seconds=seconds,
        operations=cost.operations(step),
        done=done,
        bytes=moved,
        limit=cost.limit(done, moved, peak, bandwidth),
    )


def alike(profiles: Sequence[Profile], network: Sequence[Layer]) -> list[Profile]:
    """The profiles with the same rows: where only one version fuses layers, the other's are added up to its steps."""
    told = min(([row.name for row in profile.rows] for profile in profiles), key=len)
    steps = cost.fused(network, set(told))
    found = []
    for profile in profiles:
        rows = {row.name: row for row in profile.rows}
        summed = [
            replace(add_up(name, parts), stage=rows[name].stage, kind=cost.kind(steps[name]), shape=rows[name].shape)
            for name in told
            if (parts := [rows[layer.name] for layer in steps[name] if layer.name in rows])
        ]
        found.append(replace(profile, rows=summed))
    return found


def fastest_tenth(items: Sequence[Item], seconds: Callable[[Item], float]) -> list[Item]:
    """The fastest tenth of the items, rounded up."""
    return sorted(items, key=seconds)[: (len(items) + 9) // 10]
