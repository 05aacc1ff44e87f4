"""The units of a test run: builds, test files and commands, each a process of its own."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

from ladder.testing import machine
from ladder.testing.memory import Memory, Record, differs
from ladder.testing.outcome import Counts, counts
from ladder.testing.process import Result
from ladder.testing.snapshot import digest
from ladder.testing.subjects import Repository, Subject

NOTHING_SELECTED = 5  # pytest's exit code


class Stage(Enum):
    """How far a unit has come."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    REMEMBERED = "remembered"  # it has passed before, here or in another version
    POINTLESS = "pointless"  # it loads no C, in a run that is about C


@dataclass(eq=False)
class Unit:
    """A command that is run when all units that it needs have passed.

    `part`: the version, or the other part of the repository, that it belongs to; `name`: what it is there.
    """

    part: str
    name: str
    command: list[str]
    folder: Path
    variables: dict[str, str]
    needs: list["Unit"] = field(default_factory=list)
    stage: Stage = Stage.WAITING
    result: Result = field(default_factory=Result)
    record: Record | None = None  # of the pass that makes this one needless

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.stage not in (Stage.WAITING, Stage.RUNNING)

    @property
    def counts(self) -> Counts:
        """The numbers of tests, of this run or of the one that is remembered."""
        return self.record.counts if self.record else counts(self.result.output)

    @cached_property
    def expected(self) -> float:
        """About how many seconds it takes, so that long ones begin early."""
        return 0.0

    def decide(self) -> bool:
        """Whether it can run now. It may have to wait for another one, or not to run at all: then `stage` changes."""
        return True

    def begin(self) -> dict[str, str]:
        """Called before it runs; returns its environment variables."""
        self.stage = Stage.RUNNING
        return self.variables

    def end(self, result: Result) -> None:
        """Called with what came out."""
        self.result = result
        self.stage = Stage.PASSED if result.code in (0, NOTHING_SELECTED) else Stage.FAILED


class Build(Unit):
    """Makes or renews an environment. All else waits for one, so it comes before all else."""

    @cached_property
    def expected(self) -> float:
        return float("inf")


@dataclass(eq=False)
class Chore(Unit):
    """A test file, or a command, of a part that is no version: passed while nothing in the whole repository changes."""

    memory: Memory = field(kw_only=True)
    state: Repository = field(kw_only=True)
    interpreter: Path = field(kw_only=True)
    every: bool = field(kw_only=True)

    @cached_property
    def machine(self) -> str:
        """The state of the machine and of this part's environment, which must be there."""
        return digest([machine.state(self.interpreter, "release"), machine.libraries(self.interpreter)])

    @cached_property
    def expected(self) -> float:
        record = self.memory.read(self.part, self.name)
        return record.seconds if record else 5.0 if self.name.endswith(".py") else 60.0

    def decide(self) -> bool:
        record = None if self.every else self.memory.read(self.part, self.name)
        if record and record.covers(self.machine, self.state):
            self.stage, self.record = Stage.REMEMBERED, record
        return not self.ended

    def end(self, result: Result) -> None:
        super().end(result)
        if result.code == 0 and not self.state.edited():
            things = {"repository": self.state.digest("repository")}
            record = Record(self.part, self.machine, things, self.counts, result.seconds)
            self.memory.write(self.part, self.name, record)
        elif result.code:
            self.memory.forget(self.part, self.name)


@dataclass(eq=False)
class VersionFile(Unit):
    """A test file of a version. It need not run where memory.py's rule says so, of any version's run of it."""

    subject: Subject = field(kw_only=True)
    every: bool = field(kw_only=True)
    earlier: list["VersionFile"] = field(default_factory=list)  # the same file in the versions before this one

    def records(self) -> Iterable[Record]:
        """All that is remembered of this file, this version's own first."""
        return self.subject.memory.all(self.subject.parts, self.name)

    @cached_property
    def expected(self) -> float:
        known = [record.seconds for record in self.records()]
        # Without a record the largest files go first: they wait for one another, from version to version.
        return known[0] if known else 10 + (self.subject.version.folder / self.name).stat().st_size / 1000

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
        """Whether the run that wrote the record was this one's too."""
        return record.covers(self.subject.machine, self.subject.snapshot)

    def may_cover(self, later: "VersionFile") -> bool:
        """Whether what this run will have exercised may be the same in the later version, as far as is known."""
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
        if result.code == 0:
            things = self.subject.snapshot.state(self.subject.exercised(self.name))
            if not differs(things, self.subject.look()):  # nothing was edited meanwhile
                record = Record(self.part, self.subject.machine, things, self.counts, result.seconds)
                self.subject.memory.write(self.part, self.name, record)
        else:
            self.forget()
        self.subject.trace(self.name).unlink(missing_ok=True)

    def forget(self) -> None:
        """What says that a file passes that has just failed is void, also where another version ran it."""
        for part in self.subject.parts:
            record = self.subject.memory.read(part, self.name)
            if record and (part == self.part or self.covered(record)):
                self.subject.memory.forget(part, self.name)


def pytest(interpreter: Path, *arguments: str) -> list[str]:
    """The command that runs pytest, without its cache: nothing may be left between the sources."""
    return [str(interpreter), "-m", "pytest", "-p", "no:cacheprovider", *arguments]


def own(*arguments: str) -> list[str]:
    """The command that runs Python in this environment. -P: no module is taken from the folder where it runs."""
    return [sys.executable, "-P", *arguments]
