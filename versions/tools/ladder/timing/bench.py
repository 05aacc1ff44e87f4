"""`bench`: every version timed against the one before it, in alternating rounds of one run."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover, find, obstacle
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


@dataclass
class Field:
    """Who has been started: the contestants, their processes, and the seconds of their first and a later loading."""

    stack: ExitStack
    tell: Callable[[float, str], None]
    entries: list[Contestant] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    load: dict[str, tuple[float, float | None]] = field(default_factory=dict)

    def add(self, entry: Contestant, worker: Worker, load: tuple[float, float | None]) -> None:
        """One more of them."""
        self.entries.append(entry)
        self.workers.append(worker)
        self.load[entry.name] = load


def bench(
    root: Path,
    names: Sequence[str],
    size: int,
    most: int | None,
    budget: float,
    as_json: bool = False,
    threads: Sequence[int] = (1,),
    with_peers: bool = False,
    write: bool = False,
) -> int:
    """Time the versions, print the table (or JSON), write results.json and chart.svg to build/bench; the exit code.

    `most`: of rounds; `budget`: seconds for loading, warming up and timing; what is built before does not count.
    `threads`: versions that have threads, and peers, are timed with each of these numbers.
    `write`: the README's tables and chart, too, from the last complete run with all versions at each size, which
    results-SIZE.json keeps.
    Raises LadderError if a version can't be built or run. After Ctrl-C, what was measured so far is shown, and the
    exit code is 130; it is 1 if a peer computes something else than the versions.
    """
    if write and names:
        raise LadderError("--write is for the tables of all versions: leave --versions out")
    versions = choose(root, names, size)
    entries = contestants(versions, threads)
    folder = weights.find("synthetic")
    pythons = {version.name: environment.python(version) for version in versions}
    home = root / "build" / "bench"
    home.mkdir(parents=True, exist_ok=True)
    loops, unknown = find_peak(home)
    loops.threads = tuple(sorted({entry.threads for entry in entries} | set(threads if with_peers else ())))
    timings, code = Timings(), 0
    with ExitStack() as stack:
        kit = stack.enter_context(peers.kit(root, folder, size)) if with_peers else None
        limits = Limits(most, time.monotonic() + budget)
        tell = stack.enter_context(terminal.still_progress(f"timing {len(versions)} versions"))
        started = Field(stack, tell)
        try:
            start_versions(started, entries, pythons, folder, size)
            if kit and not start_peers(started, threads, kit, size):
                code = 1
            rounds.run(started.workers, limits, timings, loops.measure, tell)
        except KeyboardInterrupt:
            if not any(timings.seconds.values()):
                raise
            code = 130
    results = summarise(started.entries, size, started.load, timings, loops.medians(), loops.flops, code == 130)
    text = json.dumps(results.as_json(), indent=1)
    for name in ["results.json", *([] if code or names else [f"results-{size}.json"])]:
        with appearing_whole(home / name) as partial:
            partial.write_text(text + "\n")
    chart.draw(results.as_json(), home / "chart.svg")
    if as_json:
        print(text)
    else:
        show(results, unknown)
    warn(results)
    if write and code:
        terminal.note("ladder: README.md stays as it is")
    elif write:
        bench_readme.write(root)
    return code


def start_versions(
    started: Field, entries: list[Contestant], pythons: dict[str, Path], weights: Path, size: int
) -> None:
    """Start a worker for each version and number of threads, and see how long it loads."""
    for entry in entries:
        started.tell(0, f"loading {entry.name}")
        what = entry.name, pythons[entry.label], weights
        worker = started.stack.enter_context(Worker(*what, size=size, threads=entry.threads))
        # After the worker, which may have compiled code that later processes find.
        started.add(entry, worker, load_twice(*what, size, entry.threads))


def start_peers(started: Field, threads: Iterable[int], kit: Kit, size: int) -> bool:
    """Start the peers; whether all of them compute what the versions do.

    One that does not is left out with an error, one that does not run with a sentence. They are compared with the
    version of the smallest tolerance, the newest of those.
    """
    pairs = [(entry.version, worker) for entry, worker in zip(started.entries, started.workers) if entry.version]
    version, worker = min(pairs[::-1], key=lambda pair: pair[0].tolerance)
    expected, limit, agreed = worker.infer().logits, version.tolerance + peers.TOLERANCE, True
    for peer in peers.contestants(threads):
        started.tell(0, f"loading {peer.name}")
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
            agreed = False
            continue
        started.add(replace(peer, idea=rival.how), rival, (rival.load_seconds, None))
    return agreed


def choose(root: Path, names: Iterable[str], size: int) -> list[Version]:
    """The named versions, or all that run here and are not too slow for the size; the others get a sentence.

    Raises LadderError if a named one can't run here, or if none is left.
    """
    versions = discover(root)
    named = [find(versions, name) for name in names]
    for version in named:
        if reason := obstacle(version):
            raise LadderError(reason)
    if named:
        return sorted(set(named), key=versions.index)
    chosen = []
    for version in versions:
        if reason := obstacle(version):
            terminal.note(reason)
        elif version.slow and size > SLOW_LIMIT:
            terminal.note(f"{version.name} is left out: it is timed at up to {SLOW_LIMIT} pixels, or when it is named")
        else:
            chosen.append(version)
    if not chosen:
        raise LadderError("there is no version to time")
    return chosen


def find_peak(home: Path) -> tuple[Peak, str]:
    """The loops that measure the processor's peak; or none, and a sentence that says why."""
    try:
        return peak.build(home), ""
    except LadderError as error:
        return Peak({}), str(error)
