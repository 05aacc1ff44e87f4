"""`test` runs the tests of one part of the repository or of all parts; `build` makes one version's environment."""

import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ladder.core import environment, processor, terminal
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover, find, obstacle
from ladder.testing import plan, scheduler
from ladder.testing.plan import Plan
from ladder.testing.report import Report
from ladder.testing.subjects import MEMORY
from ladder.testing.units import NOTHING_SELECTED, Build, Stage, Unit

ALL = "all"
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def test(root: Path, name: str, build: str, every: bool, arguments: list[str], names: Sequence[str] = ()) -> int:
    """Run the tests of the part `name`, of all parts, or, if `name` is "all", only of the versions with these `names`.

    Returns 0, 1 if any failed, 5 if pytest's `arguments` select no test, or 130 after Ctrl-C. Test files that have
    passed are skipped only if `name` is "all", `every` is false and there are no `arguments`.
    """
    known = discover(root)
    parts = plan.declared(root) if build == "release" and not names else {}
    if names and name != ALL:
        raise LadderError("--versions chooses among all versions, so the part must be `all`")
    chosen = [find(known, each) for each in names] or known
    versions = chosen if name == ALL else [] if name in parts else [find(known, name)]
    absent = {version.name: obstacle(version) or pointless(version, build) for version in versions}
    for reason in filter(None, absent.values()):
        terminal.note(reason)
    versions = [version for version in versions if not absent[version.name]]
    if name != ALL:
        parts = {part: declared for part, declared in parts.items() if part == name}
    (root / MEMORY).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=root / MEMORY) as scratch:
        how = Plan(root, build, every or name != ALL, tuple(arguments), Path(scratch))
        units = how.versions(versions, [version.name for version in known])
        units += how.parts(parts, [unit for unit in units if isinstance(unit, Build)])
        if name == ALL and build == "sanitize":
            units += [how.building(version, "clang") for version in versions]
        return run(units, arguments, [name for name, reason in absent.items() if reason])


def run(units: list[Unit], arguments: list[str], absent: list[str]) -> int:
    """Run the units, report on them, and return the exit code."""
    tests = [unit for unit in units if not isinstance(unit, Build)]
    shown = bool(arguments) and len(tests) == 1  # straight to the terminal: it may prompt, as --pdb does
    report = Report(units, bool(arguments) and not shown, shown)
    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        with report.progress():
            scheduler.run(units, processor.processors(), shown, report)
    except KeyboardInterrupt:
        terminal.note("ladder: interrupted; what has passed before is remembered")
        return 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if len(tests) > 1:
        report.table(absent)
    if any(unit.stage is Stage.FAILED for unit in units):
        return 1
    codes = [unit.result.code for unit in tests if unit.name != "command"]
    return NOTHING_SELECTED if arguments and codes and set(codes) == {NOTHING_SELECTED} else 0


def stop(number: int, frame: object) -> None:
    """Handle a signal like Ctrl-C, so that this process's children end too."""
    raise KeyboardInterrupt


def build_alone(root: Path, name: str, build: str) -> int:
    """Build the version; returns 0. Raises BuildError, with the compiler's messages, if that fails."""
    version = find(discover(root), name)
    if reason := obstacle(version) or pointless(version, build):
        terminal.note(reason)
        return 0
    environment.python(version, build)
    place = environment.home_of(version, build).relative_to(root)
    terminal.output().print(f"{version.name} ({build}) is built and installed in {place}", markup=False)
    return 0


def pointless(version: Version, build: str) -> str | None:
    """Why there is nothing to build: every build but the release is about C. None if the version has C."""
    if build == "release" or version.has_c():
        return None
    return f"{version.name} is skipped: it has no C, so its build {build!r} would be the same as its release"
