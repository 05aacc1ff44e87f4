"""`mutants`: checks whether the tests notice bugs, including those that `nox -s test` leaves to other versions' runs.

Each mutant is put into a copy of the repository. Then the test files run that `nox -s test` would run for it: those of
its version, except those that passed before and exercise nothing that has changed since. `lineage`, which would notice
any change, does not run. The records of earlier passes come from the repository's own last `nox -s test`, which must be
complete: otherwise every test file would have to run for every mutant.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

from ladder.core import environment, files, processor, terminal
from ladder.core.errors import LadderError
from ladder.core.selection import select
from ladder.core.versions import Version, discover, find
from ladder.testing.plan import Plan
from ladder.testing.subjects import MEMORY
from ladder.testing.units import NOTHING_SELECTED, Unit, VersionFile
from scrutiny.mutants import Mutant, sample

HANGS = 10  # times as long as a test file took when it passed, and never less than
SHORTEST = 120  # seconds


@dataclass
class Fate:
    """The outcome of a mutant. `by`: the test file that failed; `ran`: how many test files ran."""

    version: str
    mutant: Mutant
    by: str = ""
    ran: int = 0
    builds: bool = True


@dataclass
class Workshop:
    """A copy of the repository in `root`, in which one mutant at a time is tried."""

    root: Path
    versions: list[Version] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)  # versions that have been tried without a mutation

    @classmethod
    def copy(cls, root: Path, to: Path) -> "Workshop":
        """Copies the repository's files and the records of passed tests. The copy gets its own environments."""
        shutil.rmtree(to, ignore_errors=True)
        for name in files.names(root):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
        shutil.copy2(root / ".gitignore", to)  # else the repository's own excludes everything in build/
        shutil.copytree(root / MEMORY / "release", to / MEMORY / "release")
        return cls(to, discover(to))

    def judge(self, name: str, mutant: Mutant) -> Fate:
        """Tries one mutant of the version `name`."""
        fate = Fate(name, mutant)
        version = find(self.versions, name)
        self.prepare(version)
        with (
            self.mutated(version, mutant),
            tempfile.TemporaryDirectory(prefix="run-", dir=self.root / MEMORY) as scratch,
        ):
            plan = Plan(self.root, "release", False, (), Path(scratch))
            build, *tests = plan.versions([version], [each.name for each in self.versions])
            fate.builds = not fails(build)
            for unit in needed(tests) if fate.builds else []:
                fate.ran += 1
                if fails(unit, "--exitfirst"):
                    fate.by = unit.name
                    break
        return fate

    def prepare(self, version: Version) -> None:
        """Builds a version, the first time. Raises LadderError if tests would run though nothing is mutated."""
        if version.name not in self.ready:
            environment.python(version)
            _, *tests = Plan(self.root, "release", False, (), self.root / "build").versions(
                [version], [each.name for each in self.versions]
            )
            if not tests or needed(tests):
                raise LadderError(f"{version.name}: what has passed in {version.folder.parents[1]} is not known")
            self.ready.add(version.name)

    @contextmanager
    def mutated(self, version: Version, mutant: Mutant) -> Iterator[None]:
        """Mutates the version; afterwards the version and the records of passed tests are as before."""
        file = version.folder / mutant.file
        text = file.read_text(encoding="utf-8")
        memory, kept = self.root / MEMORY / "release", self.root / "build" / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(memory, kept)
        file.write_text(mutant.applied(text), encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(text, encoding="utf-8")
            shutil.rmtree(memory)
            kept.rename(memory)


def needed(tests: list[Unit]) -> list[Unit]:
    """The test files without a pass in the current state, the quickest first."""
    return sorted((unit for unit in tests if unit.decide()), key=lambda unit: unit.expected)


def fails(unit: Unit, *arguments: str) -> bool:
    """Whether a unit fails, or hangs."""
    variables = unit.begin()
    limit = HANGS * unit.expected if isinstance(unit, VersionFile) else 0
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [*unit.command, *arguments]
    with subprocess.Popen(command, cwd=unit.folder, env=variables, start_new_session=True, **streams) as process:  # type: ignore[call-overload]
        try:
            return process.wait(timeout=max(SHORTEST, limit)) not in (0, NOTHING_SELECTED)
        except subprocess.TimeoutExpired:
            return True
        finally:
            kill_group(process.pid)


def kill_group(group: int) -> None:
    """Kills the remaining processes of a group."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def mutants(root: Path, names: Sequence[str], count: int, seed: int) -> int:
    """Try `count` mutants of each version; returns 0, or 1 if no test noticed one of them."""
    chosen = select(root, names, int8=True)
    require_memory(root, chosen)
    cases = [(version.name, mutant) for version in chosen for mutant in sample(version.folder, count, seed)]
    slots = processor.processors()
    workshops: Queue[Workshop] = Queue()
    for number in range(slots):
        workshops.put(Workshop.copy(root, root / "build" / "mutants" / str(number)))

    def judge(case: tuple[str, Mutant]) -> Fate:
        workshop = workshops.get()
        try:
            return workshop.judge(*case)
        finally:
            workshops.put(workshop)

    fates: list[Fate] = []
    with terminal.progress("trying mutants", len(cases)) as advance, ThreadPoolExecutor(slots) as threads:
        for fate in threads.map(judge, cases):
            advance(str(fate.mutant))
            report(fate)
            fates.append(fate)
    return summary(fates)


def require_memory(root: Path, chosen: Sequence[Version]) -> None:
    """Raises LadderError if not all tests of these versions have passed in their current state."""
    with tempfile.TemporaryDirectory() as scratch:
        plan = Plan(root, "release", False, (), Path(scratch))
        for version in chosen:
            environment.python(version)
            _, *tests = plan.versions([version], [each.name for each in discover(root)])
            if needed(tests):
                raise LadderError(f"{version.name} has tests that have not passed; run `nox -s test` first")


def report(fate: Fate) -> None:
    """Print a line for a mutant."""
    what = f"noticed by {fate.by}" if fate.by else f"SURVIVED {fate.ran} test files" if fate.builds else "is not built"
    terminal.output().print(f"{fate.version}: {fate.mutant}: {what}", markup=False, soft_wrap=True)


def summary(fates: list[Fate]) -> int:
    """Print the numbers in a sentence; returns the exit code."""
    built = [fate for fate in fates if fate.builds]
    survivors = [fate for fate in built if not fate.by]
    terminal.output().print(
        f"{len(built)} mutants were built and {len(built) - len(survivors)} noticed; {len(survivors)} survived; "
        f"{len(fates) - len(built)} did not build.",
        markup=False,
    )
    return 1 if survivors or not built else 0
