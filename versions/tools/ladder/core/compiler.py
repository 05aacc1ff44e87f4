"""C compilers: which one is used, and whether it is there."""

import os
import shlex
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path

from ladder.core.errors import LadderError

USUAL = ("cc", "gcc", "clang")  # what meson looks for where CC names none


def chosen() -> str:
    """The command that CC names, or cc."""
    return os.environ.get("CC", "").strip() or "cc"


def words(command: str) -> list[str]:
    """A command split as a shell does; raises LadderError if a quote in it is not closed."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise LadderError(f"CC is {command!r}, which is no command: {error}") from None


@cache
def version_of(command: str) -> str:
    """What a compiler prints for --version; "" if there is no such compiler."""
    try:
        done = subprocess.run(
            [*words(command), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError:
        return ""
    return "" if done.returncode else done.stdout


def require(wanted: str | None) -> None:
    """Raises LadderError if C that uses Python's headers can't be compiled here, since something is not installed.

    `wanted`: the compiler; None for the one that CC names or the system's.
    """
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise LadderError("this Python's C headers are needed: on Debian and Ubuntu, apt-get install python3-dev")
    if wanted and not shutil.which(wanted):
        raise LadderError(f"{wanted} is needed for this build, and was not found")
    if named := not wanted and os.environ.get("CC", "").strip():
        if not shutil.which(words(named)[0]):
            raise LadderError(f"CC names the C compiler {words(named)[0]!r}, which was not found")
    elif not any(map(shutil.which, USUAL)):
        raise LadderError(f"a C compiler is needed; none of {', '.join(USUAL)} was found")
