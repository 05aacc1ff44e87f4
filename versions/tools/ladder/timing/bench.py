"""`bench`: times every version against the one before it, in alternating rounds of one run."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.processor import processors
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.machine import peak
from ladder.machine.peak import Peak
from ladder.timing import bench_readme, chart, history, neighbours, peers, readmes, rounds
from ladder.timing.bench_text import plural, show, warn
from ladder.timing.conditions import Conditions, compiler, priority, variables
from ladder.timing.contestants import Contestant, contestants
from ladder.timing.gains import USUAL
from ladder.timing.results import Results, summarise
from ladder.timing.rounds import Limits
from ladder.timing.starting import Field, start_again, start_peers, start_versions

SLOW_LIMIT = 64  # pixels; a version that declares itself slow takes 12 times as long for 224


@dataclass(frozen=True)
class Settings:
    """The settings of `bench`.

    `names`: the versions, by default all; `size`: the picture's height and width in pixels, by default USUAL;
    `threads`: the numbers of threads with which to time peers and versions that have threads, by default 1 and one for
    each processor; `rounds`: the most rounds; `seconds`: the most time for loading, warming up and timing, without
    builds; `peers`: time them too; `neighbours`: beside how many busy processes to time; `write`: time all versions at
    the sizes of the READMEs' tables, keep the results in versions/bench.json, and renew tables and chart; `renew`: do
    the last alone, without timing anything; `as_json`: print the results as JSON instead of the
    table.
    """

    names: Sequence[str] = ()
    size: int | None = None
    threads: Sequence[int] | None = None
    rounds: int | None = None
    seconds: float = 170
    peers: bool = False
    neighbours: int = 0
    write: bool = False
    renew: bool = False
    as_json: bool = False

    @property
    def counts(self) -> list[int]:
        """The numbers of threads."""
        return sorted(set(self.threads or (1, processors())))


def bench(root: Path, **settings: Any) -> int:
    """Time the versions, print the table, and keep the results in build/bench/runs. Returns the exit code.

    `settings`: the fields of `Settings`. Raises LadderError if a version can't be built or run. After Ctrl-C, the
    measurements so far are shown, and the exit code is 130; it is 1 if a peer's outputs differ from the versions', or
    if READMEs were to be written and neighbours left too few rounds.
    """
    wanted, found, code = Settings(**settings), dict[int, Any](), 0
    if wanted.renew:
        if wanted != Settings(renew=True):
            raise LadderError("--renew times nothing: no other option goes with it")
        readmes.renew(root)
        return 0
    if wanted.write:
        if wanted.names or wanted.size or wanted.as_json or wanted.neighbours:
            raise LadderError("--write measures all versions at both sizes: only --peers, --threads, ... go with it")
        readmes.check(root)
    for size in bench_readme.SIZES if wanted.write else [wanted.size or USUAL]:
        results, unknown, code = run(root, replace(wanted, size=size))
        found[size] = results.as_json()
        if wanted.as_json:
            print(json.dumps(found[size], indent=1))
        else:
            show(results, unknown)
        warn(results)
        code = code or int(wanted.write and results.disturbed)
        if code:
            break
    if wanted.write and code:
        terminal.note("ladder: the READMEs stay as they are")
    elif wanted.write:
        readmes.write(root, found)
    return code


def run(root: Path, wanted: Settings) -> tuple[Results, str, int]:
    """Time the versions at one size, and keep the results with a chart; build/bench/chart.svg is one of all versions.

    Returns the results, why the peak is unknown (empty if it is known), and the exit code.
    """
    size, home = wanted.size or USUAL, root / "build" / "bench"
    versions = choose(root, wanted.names, size)
    entries = contestants(versions, wanted.counts)
    pythons = {version.name: environment.python(version) for version in versions}
    home.mkdir(parents=True, exist_ok=True)
    loops, unknown = find_peak(home, any(version.int8 for version in versions))
    loops.threads = tuple(sorted({entry.threads for entry in entries} | set(wanted.counts if wanted.peers else ())))
    field = measure(root, wanted, size, entries, pythons, loops)
    made = Conditions(compiler(), variables(), field.priority, wanted.neighbours)
    results = summarise(
        field.entries,
        field.load,
        field.done,
        field.timings,
        loops,
        options=asdict(replace(wanted, size=size)),
        conditions=made,
        neighbours=field.neighbours,
        interrupted=field.interrupted,
    )
    kept = history.keep(root, results.as_json())
    drawing = [chart.of_run(results.as_json())]
    chart.draw(drawing, kept.with_suffix(".svg"))
    if not wanted.names and not wanted.neighbours:
        chart.draw(drawing, home / "chart.svg")
    return results, unknown, 130 if field.interrupted else int(not field.peers_agree)


def measure(
    root: Path, wanted: Settings, size: int, entries: list[Contestant], pythons: dict[str, Path], loops: Peak
) -> Field:
    """Start the versions and peers and time them.

    Raises KeyboardInterrupt if Ctrl-C came before anything was measured.
    """
    folder = weights.find("synthetic")
    with ExitStack() as stack:
        int8 = any(entry.int8 for entry in entries)
        kit = stack.enter_context(peers.kit(root, folder, size, int8)) if wanted.peers else None
        limits = Limits(wanted.rounds, time.monotonic() + wanted.seconds)
        report = stack.enter_context(terminal.still_progress(f"timing {plural(len(pythons), 'version')}"))
        field = Field(stack, report)
        try:
            start_versions(field, entries, pythons, folder, size)
            if kit:
                start_peers(field, wanted.counts, kit, size)
            field.priority = priority(field.pids())
            own = [os.getpid(), *stack.enter_context(neighbours.busy(wanted.neighbours))]
            judge = neighbours.Judge(lambda: neighbours.count(own + field.pids()))

            def renew() -> None:
                with judge.unwatched():
                    start_again(field, pythons, folder, size)

            rounds.run(field.workers, limits, field.timings, loops.measure, report, judge=judge, renew=renew)
            field.neighbours = judge.total()
        except KeyboardInterrupt:
            if not any(field.timings.seconds.values()):
                raise
            field.neighbours, field.interrupted = judge.total(), True
    return field


def choose(root: Path, names: Sequence[str], size: int) -> list[Version]:
    """The named versions, or all that run here and are fast enough for the size, in the order of their numbers.

    Raises LadderError if a named version can't run here, or if none is left.
    """
    versions = select(root, names, must_run=True)
    if not names:
        for version in [version for version in versions if version.slow and size > SLOW_LIMIT]:
            terminal.note(f"{version.name} is left out: it is timed only up to {SLOW_LIMIT} pixels, or when named")
            versions.remove(version)
    if not versions:
        raise LadderError("there is no version to time")
    return sorted(versions, key=lambda version: version.name)


def find_peak(home: Path, int8: bool) -> tuple[Peak, str]:
    """The loops that measure the processor's peak, if asked in 8-bit integers too; or none, and why, as a sentence."""
    try:
        floats = peak.build(home)
        return peak.with_int8(floats, peak.build(home, narrow=True)) if int8 else floats, ""
    except LadderError as error:
        return Peak({}), str(error)
