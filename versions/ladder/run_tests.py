"""`test`: a version's own tests, run in its environment."""

import subprocess
from pathlib import Path

from ladder import environment, terminal
from ladder.versions import discover, find, obstacle


def run_tests(root: Path, name: str, arguments: list[str]) -> int:
    """Build the version and run pytest in its folder; returns pytest's exit code, 0 if it can't run here."""
    version = find(discover(root), name)
    if reason := obstacle(version):
        terminal.note(reason)
        return 0
    python = environment.python(version)
    # Without pytest's cache: nothing may be left in the version's folder.
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=version.folder, env=environment.variables()).returncode
