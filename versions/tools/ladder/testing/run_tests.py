"""`test`: a version's own tests, run in its environment; and `build`, which makes that environment alone."""

import subprocess
from pathlib import Path

from ladder.core import environment, sanitizers, terminal
from ladder.core.versions import Version, discover, find, obstacle


def run_tests(root: Path, name: str, build: str, arguments: list[str]) -> int:
    """Build the version and run pytest in its folder; returns pytest's exit code, 0 if it can't run here."""
    version = find(discover(root), name)
    if reason := obstacle(version) or pointless(version, build):
        terminal.note(reason)
        return 0
    variables = environment.variables()
    if build == "sanitize":
        # What a sanitizer says before it ends the process goes past Python: it must not be caught at that level.
        variables, arguments = variables | sanitizers.variables(), ["--capture=sys", *arguments]
    python = environment.python(version, build)
    # Without pytest's cache: nothing may be left in the version's folder.
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=version.folder, env=variables).returncode


def build_alone(root: Path, name: str, build: str) -> int:
    """Build the version; returns 0. Raises BuildError, with what the compiler said, if that fails."""
    version = find(discover(root), name)
    if reason := obstacle(version) or pointless(version, build):
        terminal.note(reason)
        return 0
    environment.python(version, build)
    place = environment.home_of(version, build).relative_to(root)
    terminal.output().print(f"{version.name} ({build}) is built and installed in {place}", markup=False)
    return 0


def pointless(version: Version, build: str) -> str | None:
    """A sentence if the build differs from the release only in what is done with C, and the version has none."""
    if build == "release" or version.has_c():
        return None
    return f"{version.name} is skipped: it has no C, so that a build {build!r} would be its release"
