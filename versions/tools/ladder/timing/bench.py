"""`bench`: times every version against the one before it, in alternating rounds of one run."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.processor import processors
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.core.worker import Worker, load_twice
from ladder.machine import peak
from ladder.machine.peak import Peak
from ladder.outputs import agreement
from ladder.timing import bench_readme, chart, peers, rounds
from ladder.timing.bench_text import show, warn
from ladder.timing.contestants import Contestant, contestants
from ladder.timing.peers import Kit, PeerWorker
from ladder.timing.results import summarise
from ladder.timing.rounds import Limits, Timings
from shared_weights.tensor_file import appearing_whole

SLOW_LIMIT = 64  # pixels; a version that declares itself slow takes 12 times as long for 224


@dataclass(frozen=True)
class Settings:
    """The settings of `bench`.

    `names`: the versions, by default all; `size`: the picture's height and width in pixels; `threads`: the numbers of
    threads with which to time peers and versions that have threads, by default 1 and one for each processor; `rounds`:
    the most rounds; `seconds`: the most time for loading, warming up and timing, without builds; `peers`: time them
    too; `write`: update the README's tables and chart from the last complete run with all versions at each size, which
    results-SIZE.json keeps; `as_json`: print the results as JSON instead of the table.
    """

    names: Sequence[str] = ()
    size: int = 224
    threads: Sequence[int] | None = None
    rounds: int | None = None
    seconds: float = 170
    peers: bool = False
    write: bool = False
    as_json: bool = False

    @property
    def counts(self) -> list[int]:
        """The numbers of threads."""
        return sorted(set(self.threads or (1, processors())))


@dataclass
class Field:
    """The started contestants, their processes, and the seconds of their first and a later loading."""

    stack: ExitStack
    report: Callable[[float, str], None]
    entries: list[Contestant] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    load: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    peers_agree: bool = True

    def add(self, entry: Contestant, worker: Worker, load: tuple[float, float | None]) -> None:
        """Add a contestant that has been started."""
        self.entries.append(entry)
        self.workers.append(worker)
        self.load[entry.name] = load


def bench(root: Path, **settings: Any) -> int:
    """Time the versions, print the table, and write results.json and chart.svg to build/bench. Returns the exit code.

    `settings`: the fields of `Settings`. Raises LadderError if a version can't be built or run. After Ctrl-C, the
    measurements so far are shown, and the exit code is 130; it is 1 if a peer's outputs differ from the versions'.
    """
    wanted = Settings(**settings)
    if wanted.write and wanted.names:
        raise LadderError("--write is for the tables of all versions: leave --versions out")
    versions = choose(root, wanted.names, wanted.size)
    entries = contestants(versions, wanted.counts)
    pythons = {version.name: environment.python(version) for version in versions}
    home = root / "build" / "bench"
    home.mkdir(parents=True, exist_ok=True)
    loops, unknown = find_peak(home)
    loops.threads = tuple(sorted({entry.threads for entry in entries} | set(wanted.counts if wanted.peers else ())))
    started, timings, interrupted = measure(root, wanted, entries, pythons, loops)
    code = 130 if interrupted else int(not started.peers_agree)
    results = summarise(started.entries, wanted.size, started.load, timings, loops.medians(), loops.flops, interrupted)
    text = json.dumps(results.as_json(), indent=1)
    keep(text, home, [] if code or wanted.names else [f"results-{wanted.size}.json"])
    chart.draw(results.as_json(), home / "chart.svg")
    if wanted.as_json:
        print(text)
    else:
        show(results, unknown)
    warn(results)
    if wanted.write and code:
        terminal.note("ladder: README.md stays as it is")
    elif wanted.write:
        bench_readme.write(root)
    return code


def measure(
    root: Path, wanted: Settings, entries: list[Contestant], pythons: dict[str, Path], loops: Peak
) -> tuple[Field, Timings, bool]:
    """Start the versions and peers and time them. Returns the contestants, the times, and whether Ctrl-C interrupted.

    Raises KeyboardInterrupt if Ctrl-C came before anything was measured.
    """
    folder, timings, interrupted = weights.find("synthetic"), Timings(), False
    with ExitStack() as stack:
        kit = stack.enter_context(peers.kit(root, folder, wanted.size)) if wanted.peers else None
        limits = Limits(wanted.rounds, time.monotonic() + wanted.seconds)
        report = stack.enter_context(terminal.still_progress(f"timing {len(pythons)} versions"))
        started = Field(stack, report)
        try:
            start_versions(started, entries, pythons, folder, wanted.size)
            if kit:
                start_peers(started, wanted.counts, kit, wanted.size)
            rounds.run(started.workers, limits, timings, loops.measure, report)
        except KeyboardInterrupt:
            if not any(timings.seconds.values()):
                raise
            interrupted = True
    return started, timings, interrupted


def keep(text: str, home: Path, names: Iterable[str]) -> None:
    """Write the results to results.json in `home`, and also under these names."""
    for name in ("results.json", *names):
        with appearing_whole(home / name) as partial:
            partial.write_text(text + "\n")


def start_versions(
    started: Field, entries: list[Contestant], pythons: dict[str, Path], weights: Path, size: int
) -> None:
    """Start a worker for each version and number of threads, and measure how long it takes to load."""
    for entry in entries:
        started.report(0, f"loading {entry.name}")
        what = entry.name, pythons[entry.label], weights
        worker = started.stack.enter_context(Worker(*what, size=size, threads=entry.threads))
        # After the worker, which may have compiled code that later processes find in the cache.
        started.add(entry, worker, load_twice(*what, size, entry.threads))


def start_peers(started: Field, threads: Iterable[int], kit: Kit, size: int) -> None:
    """Start the peers that compute the same as the versions.

    A peer with other outputs is left out as an error (`peers_agree`), one that does not run with a note. The outputs
    are compared with those of the version with the smallest tolerance, the newest if several have it.
    """
    pairs = [(entry.version, worker) for entry, worker in zip(started.entries, started.workers) if entry.version]
    version, worker = min(pairs[::-1], key=lambda pair: pair[0].tolerance)
    expected, limit = worker.infer().logits, version.tolerance + peers.TOLERANCE
    for peer in peers.contestants(threads):
        started.report(0, f"loading {peer.name}")
        try:
            rival = started.stack.enter_context(PeerWorker(peer, kit, size))
            distance = agreement.difference(rival.infer().logits, expected, expected)
        except LadderError as error:
            terminal.note(f"ladder: {error}; it is left out")
            continue
        if distance > limit:
            how = f"its logits are {agreement.shown(distance)} away from {version.name}'s, past {limit:g}"
            terminal.note(f"ladder: {peer.name} is wrong and left out: {how}")
            rival.close()
            started.peers_agree = False
            continue
        started.add(replace(peer, idea=rival.how), rival, (rival.load_seconds, None))


def choose(root: Path, names: Sequence[str], size: int) -> list[Version]:
    """The named versions, or all that run here and are fast enough for the size, in the order of their numbers.

    Raises LadderError if a named version can't run here, or if none is left.
    """
    versions = select(root, names, must_run=True)
    if not names:
        for version in [version for version in versions if version.slow and size > SLOW_LIMIT]:
            terminal.note(f"{version.name} is left out: it is timed at up to {SLOW_LIMIT} pixels, or when it is named")
            versions.remove(version)
    if not versions:
        raise LadderError("there is no version to time")
    return sorted(versions, key=lambda version: version.name)


def find_peak(home: Path) -> tuple[Peak, str]:
    """The loops that measure the processor's peak; or none, and the reason as a sentence."""
    try:
        return peak.build(home), ""
    except LadderError as error:
        return Peak({}), str(error)
