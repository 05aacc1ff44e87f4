"""`sensitivity`: checks whether `bench` finds a slowdown of 2 %, and finds none where there is none.

Three copies of a version are timed in the rounds of one run, again and again: one as it is, one that is the same, and
one that is slower. In the slower one, the worker waits after each inference, within the time that it measures, for 2 %
of the time that this inference took: it reads the clock until then, so nothing else runs on its processor. A slowdown
is found if the whole confidence interval of the ratio to the first copy lies below 1.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from rich.text import Text

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.files import working_tree
from ladder.core.selection import one_or_newest
from ladder.core.versions import Version
from ladder.timing.bench import Settings, run
from ladder.timing.bench_text import ratio, warn
from ladder.timing.ratios import Ratio

SHARE = 0.02
PLAIN, SAME, SLOWER = COPIES = ("01_plain", "02_same", "03_slower")
WORKER = "src/resnet50/worker.py"
INFERENCE = "        logits = net(image)\n"
WAIT = f"""\
        end = perf_counter()
        while perf_counter() < end + {SHARE} * (end - start):
            pass
"""


@dataclass(frozen=True)
class Trial:
    """The ratios of one run: how many times as fast as the plain copy the other two are; None if it gave none."""

    same: Ratio | None
    slower: Ratio | None


def sensitivity(root: Path, version: str | None, runs: int, rounds: int, size: int) -> int:
    """Time the copies in so many runs, and print the table; the exit code is 1 if `bench` cannot be trusted."""
    place = root / "build" / "sensitivity"
    copy(one_or_newest(root, version), place)
    settings = Settings(COPIES, size=size, threads=[1], rounds=rounds)
    trials = []
    for _ in range(runs):
        results, _, code = run(place, settings)
        warn(results)
        if code:
            return code
        ratios = {line.name: line.faster for line in results.versions}
        trials.append(Trial(ratios[SAME], ratios[SLOWER]))
    return report(trials)


def copy(version: Version, place: Path) -> None:
    """Make the three copies of a version, each with the first as its predecessor, in the repository `place`."""
    shutil.rmtree(place / "versions", ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    (place / ".gitignore").write_text("/build/\n")  # else the repository's own excludes everything in build/
    tree = working_tree(version.folder)
    for name in COPIES:
        project = tomlkit.parse(tree["pyproject.toml"].decode())
        project["tool"]["ladder"]["previous"] = PLAIN  # type: ignore[index]
        changed = {"pyproject.toml": tomlkit.dumps(project).encode()}
        if name == SLOWER:
            changed[WORKER] = slowed(tree[WORKER].decode()).encode()
        for path, content in (tree | changed).items():
            file = place / "versions" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def slowed(worker: str) -> str:
    """The source of a version's worker, with the wait; raises LadderError if there is not one place for it."""
    if worker.count(INFERENCE) != 1:
        raise LadderError(f"{WORKER} does not have the line {INFERENCE.strip()!r} once, after which to wait")
    return worker.replace(INFERENCE, INFERENCE + WAIT)


def found(value: Ratio | None) -> bool:
    """Whether `bench` says that a version is slower than the one before it."""
    return value is not None and value.interval[1] < 1


def report(trials: list[Trial]) -> int:
    """Print the table; the exit code is 1 if too many runs were wrong: more than one of ten, in either column."""
    table = terminal.table("How many times as fast as the plain copy, and the interval")
    for head in ("run", "the same", "", f"slower by {100 * SHARE:g} %", ""):
        table.add_column(head, justify="right")
    for number, trial in enumerate(trials, start=1):
        table.add_row(str(number), *cells(trial.same, False), *cells(trial.slower, True))
    console = terminal.output()
    console.print(table)
    hits, alarms = sum(found(trial.slower) for trial in trials), sum(found(trial.same) for trial in trials)
    runs = len(trials)
    console.print(
        f"A slowdown of {100 * SHARE:g} % was detected in {hits} of {runs} runs, one that was not there in {alarms}."
    )
    return int(runs - hits > runs // 10 or alarms > runs // 10)


def cells(value: Ratio | None, expected: bool) -> tuple[str, Text]:
    """A ratio, and its interval in green if it is right about whether there is a slowdown, else in red."""
    median, interval = ratio(value, noisy=False)
    return median, Text(interval or "-", style="green" if found(value) == expected else "red")
