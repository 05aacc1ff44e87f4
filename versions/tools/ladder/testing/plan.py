"""What to run: the units of the requested parts of the repository."""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core import environment, files, installing, sanitizers
from ladder.core.installing import interpreter_of
from ladder.core.versions import Version
from ladder.testing.memory import Memory
from ladder.testing.snapshot import digest
from ladder.testing.subjects import MEMORY, Repository, Subject
from ladder.testing.units import Build, Chore, Unit, VersionFile, own, pytest

CODE_CACHE = "RESNET50_TEST_CACHE"  # for the versions' conftest.py: a folder where test files share compiled code
# NumPy multiplies in one thread, unless the user says otherwise: as many units run as there are processors, and
# OpenBLAS's threads spin while they wait. They took half of the processor time of mnist's tests.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
MAKERS = ("src/resnet50/compiler.py", "src/resnet50/cache.py", "tests/adapter.py")


@dataclass(frozen=True)
class Plan:
    """How to run. `every`: ignore earlier passes; `arguments`: for pytest; `scratch`: a folder for this run."""

    root: Path
    build: str
    every: bool
    arguments: tuple[str, ...]
    scratch: Path

    def versions(self, versions: list[Version], names: list[str]) -> list[Unit]:
        """The units of these versions; `names`: the names of all versions."""
        units: list[Unit] = []
        before: dict[str, list[VersionFile]] = {}
        for version in versions:
            build = self.building(version, self.build)
            subject = Subject(version, self.build, names, self.scratch / "traces")
            units.append(build)
            if self.arguments:
                units.append(self.as_asked(version, build, subject))
            for name in () if self.arguments else subject.test_files():
                given = version.name, name, self.command(subject, name), version.folder, self.variables(version)
                unit = VersionFile(*given, needs=[build], subject=subject, every=self.every)
                unit.earlier = list(before.get(name, []))
                before.setdefault(name, []).append(unit)
                units.append(unit)
        return units

    def as_asked(self, version: Version, build: Unit, subject: Subject) -> Unit:
        """One run of pytest with the user's arguments."""
        command = self.command(subject, *self.arguments)
        return Unit(version.name, "tests", command, version.folder, self.variables(version), [build])

    def command(self, subject: Subject, *arguments: str) -> list[str]:
        """The pytest command of a version. Sanitizers write to file descriptors, so pytest must not capture those."""
        captured = ["--capture=sys"] if self.build == "sanitize" else []
        return pytest(subject.interpreter, *captured, *arguments)

    def variables(self, version: Version) -> dict[str, str]:
        """The environment variables for a version's tests."""
        sanitized = sanitizers.variables() if self.build == "sanitize" else {}
        return environment.variables() | sanitized | {CODE_CACHE: str(self.scratch / "cache" / makers(version))}

    def building(self, version: Version, build: str) -> Build:
        """The unit that makes a version's environment."""
        command = own("-m", "ladder.testing.building", str(self.root), version.name, build)
        return Build(version.name, f"build {build}", command, self.root, dict(os.environ))

    def parts(self, parts: dict[str, dict[str, Any]], builds: list[Unit]) -> list[Unit]:
        """The units of the parts other than versions; their commands run when all `builds` are done."""
        units: list[Unit] = []
        environments: dict[str, Build] = {}
        repository = Repository(self.root)
        versions = [interpreter_of(self.root / "build" / unit.part / self.build / "env") for unit in builds]
        for part, declared in parts.items():
            group = str(declared["environment"])
            folder = self.root / "build" / "env" / group
            if group not in environments:
                program = Path(installing.__file__)
                command = own(str(program), str(folder), *packages(self.root, group))
                environments[group] = Build(part, f"environment {group}", command, self.root, dict(os.environ))
                units.append(environments[group])
            for unit in self.part(part, declared, interpreter_of(folder), repository, versions):
                unit.needs.append(environments[group])
                if "command" in declared:
                    unit.needs += builds
                units.append(unit)
        return units

    def part(
        self, part: str, declared: dict[str, Any], interpreter: Path, repository: Repository, versions: list[Path]
    ) -> Iterator[Unit]:
        """The units of one part: its command, its tests as one unit, or one unit for each test file.

        `versions`: the interpreters of the versions, which commands use.
        """
        others = versions if "command" in declared else []
        if "command" in declared:
            commands = {"command": own("-m", "ladder", declared["command"])}
        elif self.arguments or declared.get("together"):
            commands = {"tests": pytest(interpreter, declared["tests"], *self.arguments)}
        else:
            tests = declared["tests"]
            commands = {name: pytest(interpreter, f"{tests}/{name}") for name in test_files(self.root / tests)}
        for name, command in commands.items():
            given = part, name, command, self.root, ONE_THREAD | os.environ
            if self.arguments:
                yield Unit(*given)
            else:
                yield Chore(
                    *given,
                    memory=Memory(self.root / MEMORY / "parts"),
                    state=repository,
                    interpreter=interpreter,
                    every=self.every,
                    reads=declared.get("reads", []),
                    others=others,
                )


def makers(version: Version) -> str:
    """A digest of what decides how code is compiled and kept. Versions that differ in it share no compiled code."""
    sources = (version.folder / name for name in MAKERS)
    return digest([source.read_text(encoding="utf-8") for source in sources if source.exists()])


def declared(root: Path) -> dict[str, dict[str, Any]]:
    """The parts other than versions, from the repository's pyproject.toml."""
    try:
        document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict(document.get("tool", {}).get("ladder", {}).get("parts", {}))


def packages(root: Path, group: str) -> list[str]:
    """The packages that the repository's pyproject.toml lists for an environment."""
    from nox.project import dependency_groups, load_toml

    return list(dependency_groups(load_toml(root / "pyproject.toml"), group))


def test_files(folder: Path) -> list[str]:
    """The names of the test files in a folder."""
    return [name for name in files.names(folder) if Path(name).match("test_*.py")]
