"""The units of a test run: builds, test files and commands, each in its own process."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from ladder.testing import machine
from ladder.testing.memory import Memory, Record, differs
from ladder.testing.outcome import Counts, counts
from ladder.testing.process import Result
from ladder.testing.snapshot import digest
from ladder.testing.subjects import Repository, Subject

NOTHING_SELECTED = 5  # pytest's exit code


class Stage(Enum):
    """The stage that a unit has reached."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    REMEMBERED = "remembered"  # it has passed before, here or in another version
    POINTLESS = "pointless"  # it loads no C, in a run that is about C


@dataclass(eq=False)
class Unit:
    """A command to run when all units that it needs have passed.

    `part`: the version or other part of the repository that it belongs to; `name`: its name within the part.
    """

    part: str
    name: str
    command: list[str]
    folder: Path
    variables: dict[str, str]
    needs: list["Unit"] = field(default_factory=list)
    stage: Stage = Stage.WAITING
    result: Result = field(default_factory=Result)
    record: Record | None = None  # of the earlier pass that counts for this unit
    load: ClassVar[float] = 1.0  # how much of a processor it uses
    good: ClassVar[tuple[int, ...]] = (0, NOTHING_SELECTED)  # exit codes; the user's arguments may select no test

    @property
    def ended(self) -> bool:
        """Whether the unit has run, or will not run."""
        return self.stage not in (Stage.WAITING, Stage.RUNNING)

    @property
    def counts(self) -> Counts:
        """The numbers of tests, from this run or from the remembered one."""
        return self.record.counts if self.record else counts(self.result.output)

    @cached_property
    def expected(self) -> float:
        """About how many seconds the unit takes, so that long ones can start early."""
        return 0.0

    def decide(self) -> bool:
        """Whether it can run now. If not, it must wait for another unit, or need not run: then `stage` has changed."""
        return True

    def begin(self) -> dict[str, str]:
        """Called before the unit runs; returns its environment variables."""
        self.stage = Stage.RUNNING
        return self.variables

    def end(self, result: Result) -> None:
        """Called with the result when the unit has run."""
        self.result = result
        self.stage = Stage.PASSED if result.code in self.good else Stage.FAILED


class Build(Unit):
    """Makes or updates an environment. Builds run first, because all other units wait for one."""

    load: ClassVar[float] = 0.25  # pip and virtualenv wait for files and servers most of the time

    @cached_property
    def expected(self) -> float:
        return float("inf")


@dataclass(eq=False)
class Chore(Unit):
    """A test file or command of a part other than a version. A pass counts until the repository changes anywhere.

    `reads`: ignored folders that it reads too; `others`: the interpreters of all environments that it uses.
    """

    good: ClassVar[tuple[int, ...]] = (0,)  # a file without tests is a mistake
    memory: Memory = field(kw_only=True)
    state: Repository = field(kw_only=True)
    interpreter: Path = field(kw_only=True)
    every: bool = field(kw_only=True)
    reads: list[str] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @cached_property
    def machine(self) -> str:
        """The state of the machine and of the environments that it uses, which must exist."""
        used = [machine.libraries(interpreter) for interpreter in (self.interpreter, *self.others)]
        return digest([machine.state(self.interpreter, "release"), used])

    def things(self) -> dict[str, str]:
        """What its outcome depends on besides the machine, with digests of its state now."""
        return {thing: self.state.digest(thing) for thing in ("repository", *(f"folder {name}" for name in self.reads))}

    @cached_property
    def expected(self) -> float:
        record = self.memory.read(self.part, self.name)
        file = self.folder / self.command[-1]
        return record.seconds if record else guess(file) if file.suffix == ".py" else 60.0

    def decide(self) -> bool:
        record = None if self.every else self.memory.read(self.part, self.name)
        if record and record.covers(self.machine, self.state):
            self.stage, self.record = Stage.REMEMBERED, record
        return not self.ended

    def begin(self) -> dict[str, str]:
        self.before = self.things()
        return super().begin()

    def end(self, result: Result) -> None:
        super().end(result)
        if result.code == 0 and not self.state.edited() and self.things() == self.before:
            record = Record(self.part, self.machine, self.before, self.counts, result.seconds)
            self.memory.write(self.part, self.name, record)
        elif result.code:
            self.memory.forget(self.part, self.name)


@dataclass(eq=False)
class VersionFile(Unit):
    """A test file of a version. By the rule in memory.py, any version's pass of it may count."""

    good: ClassVar[tuple[int, ...]] = (0,)
    subject: Subject = field(kw_only=True)
    every: bool = field(kw_only=True)
    earlier: list["VersionFile"] = field(default_factory=list)  # the same file in the versions before this one

    def records(self) -> Iterable[Record]:
        """All records of this file, this version's own first."""
        return self.subject.memory.all(self.subject.parts, self.name)

    @cached_property
    def expected(self) -> float:
        known = [record.seconds for record in self.records()]
        return known[0] if known else guess(self.subject.version.folder / self.name)

    def decide(self) -> bool:
        if self.every:
            return True
        found = [record for record in self.records() if self.covered(record)]
        if found:
            self.stage, self.record = Stage.REMEMBERED, found[0]
            self.subject.memory.write(self.part, self.name, found[0])
        elif self.subject.build == "sanitize" and self.subject.loads_no_c(self.name):
            self.stage = Stage.POINTLESS
        return not self.ended and not any(other.may_cover(self) for other in self.earlier)

    def covered(self, record: Record) -> bool:
        """Whether the pass that wrote the record counts for this unit too."""
        return record.covers(self.subject.machine, self.subject.snapshot)

    def may_cover(self, later: "VersionFile") -> bool:
        """Whether a pass of this unit may still turn out to count for the later version's."""
        if self.ended or not all(unit.ended for unit in later.needs):
            return False
        if self.stage is Stage.WAITING:
            own = later.subject.version.folder / self.name
            return own.read_bytes() == (self.subject.version.folder / self.name).read_bytes()
        so_far = self.subject.snapshot.state(self.subject.exercised(self.name))
        return later.subject.machine == self.subject.machine and not differs(so_far, later.subject.snapshot)

    def begin(self) -> dict[str, str]:
        return super().begin() | self.subject.traced(self.name)

    def end(self, result: Result) -> None:
        super().end(result)
        if result.code == 0 and self.subject.watched(self.name) and self.subject.built():
            things = self.subject.snapshot.state(self.subject.exercised(self.name))
            if not differs(things, self.subject.look()):  # nothing was edited meanwhile
                record = Record(self.part, self.subject.machine, things, self.counts, result.seconds)
                self.subject.memory.write(self.part, self.name, record)
        elif result.code:
            self.forget()
        self.subject.trace(self.name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove all records by which this file, which has just failed, would pass, even other versions' records."""
        for part in self.subject.parts:
            record = self.subject.memory.read(part, self.name)
            if record and (part == self.part or self.covered(record)):
                self.subject.memory.forget(part, self.name)


def guess(file: Path) -> float:
    """About how many seconds a test file takes that has never run: a large one more than a small one.

    So the large ones go first, and none of them is left to run alone at the end.
    """
    return 10 + file.stat().st_size / 1000


def pytest(interpreter: Path, *arguments: str) -> list[str]:
    """The command that runs pytest, without its cache: it would leave files among the sources."""
    return [str(interpreter), "-m", "pytest", "-p", "no:cacheprovider", *arguments]


def own(*arguments: str) -> list[str]:
    """The command that runs this environment's Python. -P: no module is imported from the current folder."""
    return [sys.executable, "-P", *arguments]
