"""`supply`: tests every version as users install it, with the oldest and the newest libraries it accepts, and offline.

For each version it creates two new environments and runs the tests in the folder of the unpacked sdist:

- the sdist, built by the lowest build requirements, with the lowest versions of all libraries that it declares;
- the wheel, with the newest of everything; its tests run in a network namespace without a device.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ladder.core import environment, terminal
from ladder.core.errors import BuildError
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.shipping import distribution
from ladder.shipping.distribution import Distribution

SHORT = "tests/contract/test_cli.py"  # it reads, prepares and classifies pictures in seconds; all tests take minutes
NAME = re.compile(r"[A-Za-z0-9._-]+")
MESON = re.compile(r"meson_version: '([^']+)'")
SUMMARY = re.compile(r"(\d+ .*) in [\d.]+s.*")  # pytest's last line: 33 passed, 2 skipped in 8.57s


@dataclass(frozen=True)
class Result:
    """A row of the table; `failure`: the output of a step that failed."""

    version: str
    source: str
    installed: str
    network: str
    tests: str
    failure: str = ""


def supply(root: Path, names: Sequence[str], every_test: bool) -> int:
    """Print a table of all versions, or of the named ones; the exit code is 1 if anything failed.

    Without `every_test` only the tests of the command line are run. Ctrl-C ends with a table of the results so far.
    """
    versions = select(root, names, int8=True)
    cage, missing = isolation()
    if missing:
        terminal.note(f"the tests run with network access: {missing}")
    results: list[Result] = []
    code = 0
    try:
        for result in tried(versions, "tests" if every_test else SHORT, cage):
            results.append(result)
            if result.failure:
                code = 1
                terminal.note(f"{result.version}, {result.source}:\n{result.failure.rstrip()}")
    except KeyboardInterrupt:
        if not results:
            raise
        code = 130
    show(results)
    return code


def tried(versions: list[Version], tests: str, cage: list[str]) -> Iterator[Result]:
    """Test the versions and give the table's rows, one after the other."""
    with terminal.progress("installing and testing", 2 * len(versions)) as begin:
        for version in versions:
            with tempfile.TemporaryDirectory() as scratch:
                begin(f"{version.name}, the sdist with the lowest")
                try:
                    built = distribution.build(version, Path(scratch))
                except BuildError as error:
                    yield Result(version.name, "folder", "", "", "not built", error.output)
                    continue
                if wrong := distribution.complaints(version, built, Path(scratch)):
                    yield Result(version.name, "files", "", "", f"{len(wrong)} faults", "\n".join(wrong))
                    continue
                yield lowest(version, built, Path(scratch), tests)
                begin(f"{version.name}, the wheel with the newest")
                yield newest(version, built, Path(scratch), tests, cage)


def isolation() -> tuple[list[str], str]:
    """The prefix of a command that must run without a network, and ""; or no prefix, and the reason."""
    cage = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--net", "--map-root-user"]
    try:
        done = subprocess.run([*cage, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return [], "there is no unshare, which Linux has in util-linux"
    return (cage, "") if done.returncode == 0 else ([], done.stderr.strip())


def lowest(version: Version, built: Distribution, scratch: Path, tests: str) -> Result:
    """Test the sdist, built by and run with the lowest versions that it declares."""
    declared = declarations(version)
    python = scratch / "lowest"
    row = version.name, "sdist"
    try:
        uv(version, "venv", "--python", sys.executable, str(python))
        interpreter = environment.interpreter_of(python)
        uv(version, *install(interpreter), "--resolution", "lowest-direct", *declared)
        uv(version, *install(interpreter), "ninja")  # meson-python requires it only where the system has none
        uv(version, *install(interpreter), "--no-deps", "--no-build-isolation", str(built.sdist))
    except BuildError as error:
        return Result(*row, "lowest", "", "not installed", error.output)
    return tested(row, "lowest", declared, interpreter, built, tests, [])


def newest(version: Version, built: Distribution, scratch: Path, tests: str, cage: list[str]) -> Result:
    """Test the wheel, built by and run with the newest of everything, without a network."""
    row = version.name, "wheel"
    python = scratch / "newest"
    try:
        uv(version, "venv", "--python", sys.executable, str(python))
        interpreter = environment.interpreter_of(python)
        extra = test_requirements(version)
        uv(version, *install(interpreter), "--resolution", "highest", "--refresh", str(built.wheel), *extra)
    except BuildError as error:
        return Result(*row, "newest", "", "not installed", error.output)
    return tested(row, "newest", declarations(version), interpreter, built, tests, cage)


def tested(
    row: tuple[str, str], kind: str, declared: list[str], python: Path, built: Distribution, tests: str, cage: list[str]
) -> Result:
    """Run the sdist's tests with the libraries that are installed in its environment."""
    command = [*cage, str(python), "-m", "pytest", "-q", tests]
    done = subprocess.run(
        command,
        cwd=built.source,
        env=environment.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines = done.stdout.splitlines() or ["pytest said nothing"]
    summary = SUMMARY.fullmatch(lines[-1])
    network = "none" if cage else "as it is"
    words = f"{kind}: {', '.join(installed(python, declared))}"
    counts = summary[1] if summary else lines[-1]
    return Result(*row, words, network, counts, done.stdout if done.returncode else "")


def declarations(version: Version) -> list[str]:
    """The requirements in pyproject.toml, for running, building and testing, and meson.build's on meson."""
    project = pyproject(version)
    meson = MESON.findall((version.folder / "meson.build").read_text(encoding="utf-8"))
    return [
        *project["project"]["dependencies"],
        *test_requirements(version),
        *project["build-system"]["requires"],
        *(f"meson{bound}" for bound in meson),
    ]


def test_requirements(version: Version) -> list[str]:
    """The requirements of the version's tests."""
    return list(pyproject(version)["dependency-groups"]["test"])


def pyproject(version: Version) -> dict:
    """The content of the version's pyproject.toml."""
    return tomllib.loads((version.folder / "pyproject.toml").read_text(encoding="utf-8"))


def installed(python: Path, requirements: Iterable[str]) -> list[str]:
    """Name and version of each requirement that is installed there."""
    command = [sys.executable, "-m", "uv", "pip", "list", "--quiet", "--format", "json", "--python", str(python)]
    found = json.loads(subprocess.run(command, env=environment.variables(), capture_output=True, check=True).stdout)
    versions = {package["name"]: package["version"] for package in found}
    names = sorted(name[0] for requirement in requirements if (name := NAME.match(requirement)))
    return [f"{name} {versions[name]}" for name in names if name in versions]


def install(python: Path) -> list[str]:
    """uv's arguments for installing there."""
    return ["pip", "install", "--python", str(python)]


def uv(version: Version, *arguments: str) -> None:
    """Run uv silently; raises BuildError with its output if it fails."""
    environment.call(version, [sys.executable, "-m", "uv", *arguments])


def show(results: list[Result]) -> None:
    """Print the results as a table."""
    table = terminal.table("each version, installed from its built files")
    for head in ("version", "from", "with", "network", "tests"):
        table.add_column(head)
    for result in results:
        table.add_row(result.version, result.source, result.installed, result.network, result.tests)
    terminal.output().print(table)
