"""What test files run against: a version in one of its builds, or, for the other parts, the whole repository."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ladder.core import environment, files
from ladder.core.installing import interpreter_of
from ladder.core.versions import Version
from ladder.testing import machine, tracing
from ladder.testing.memory import Memory, differs
from ladder.testing.snapshot import Snapshot, digest

MEMORY = Path("build", "tests")


class Subject:
    """A version in one build. The environment need not exist until its state is asked for."""

    def __init__(self, version: Version, build: str, names: list[str], traces: Path):
        """`names`: the versions whose records may count; `traces`: a folder for this run only."""
        self.version, self.build, self.traces = version, build, traces
        self.parts = [version.name, *(name for name in names if name != version.name)]
        self.memory = Memory(version.folder.parents[1] / MEMORY / build)
        self.interpreter = interpreter_of(environment.home_of(version, build) / "env")

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files when the run began."""
        return self.look()

    def look(self) -> Snapshot:
        """The files now."""
        return Snapshot(self.version, machine.site_packages(self.interpreter))

    @cached_property
    def machine(self) -> str:
        """The state of the machine, for this version's environment."""
        return machine.state(self.interpreter, self.build)

    def trace(self, name: str) -> Path:
        """The file in which the test file's reads are recorded."""
        return self.traces / self.version.name / f"{name}.trace"

    def traced(self, name: str) -> dict[str, str]:
        """The environment variables for a process that runs the test file and records its reads."""
        tracing.install(machine.site_packages(self.interpreter))
        return tracing.variables(self.trace(name), self.snapshot)

    def exercised(self, name: str) -> set[str]:
        """What the test file has exercised, as far as it is recorded."""
        return {f"file {name}", "project"} | tracing.exercised(self.trace(name), self.snapshot)

    def built(self) -> bool:
        """Whether what is installed was built from the files as they are now: they may be edited during a build."""
        return environment.is_current(self.version, self.build)

    def watched(self, name: str) -> bool:
        """Whether anything was recorded of the test file's run."""
        return tracing.started(self.trace(name))

    @cached_property
    def release(self) -> "Subject":
        """The same version in its release build."""
        return Subject(self.version, "release", self.parts, self.traces)

    def loads_no_c(self, name: str) -> bool:
        """Whether the release has passed the test file without loading any C, and would do so again today."""
        release = self.release
        return any(
            not {"c", "everything"} & set(record.things)
            and release.interpreter.exists()
            and record.machine == release.machine
            and not differs(record.things, self.snapshot)
            for record in release.memory.all(release.parts, name)
        )

    def test_files(self) -> Iterator[str]:
        """The names of the test files below tests/, chosen as pytest does."""
        for name in files.names(self.version.folder):
            path = Path(name)
            if path.parts[0] == "tests" and (path.match("test_*.py") or path.match("*_test.py")):
                yield name


class Repository:
    """All files of the repository, .gitignore, which says which these are, and the weights that it ignores."""

    def __init__(self, root: Path):
        self.root = root
        self.times = self.look()

    def look(self) -> list[tuple[str, int, int]]:
        """Each file with its size and modification time."""
        weights = [str(path.relative_to(self.root)) for path in self.root.glob("shared_weights/*/*.safetensors")]
        rules = [path.name for path in self.root.glob(".gitignore")]
        found = [(name, (self.root / name).stat()) for name in sorted({*files.names(self.root), *rules, *weights})]
        return [(name, status.st_size, status.st_mtime_ns) for name, status in found]

    @cached_property
    def state(self) -> str:
        """A digest of all contents. Untracked weights are large, so their sizes and times count instead."""
        own = {".gitignore", *files.names(self.root)}
        contents = [
            (name, hashlib.sha256((self.root / name).read_bytes()).hexdigest() if name in own else f"{size} {time}")
            for name, size, time in self.times
        ]
        return digest(contents)

    def edited(self) -> bool:
        """Whether a file has changed since the run began."""
        return self.look() != self.times

    def digest(self, thing: str) -> str:
        """Of the `repository`, or of `folder NAME`, which it ignores: there the sizes and times of the files count."""
        kind, _, name = thing.partition(" ")
        if kind == "repository":
            return self.state
        found = [(str(path), path.stat()) for path in sorted((self.root / name).rglob("*")) if path.is_file()]
        return digest([(path, status.st_size, status.st_mtime_ns) for path, status in found])
