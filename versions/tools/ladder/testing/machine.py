"""What a test's outcome may depend on beside files and libraries: the interpreter, the compiler, the machine."""

import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ladder.core import processor
from ladder.core.environment import BUILDS
from ladder.testing.snapshot import digest

# The variables that programs take settings from: all that begin like this, but for the runner's own.
SETTINGS = (
    *("AR", "ASAN", "C", "HOME", "LANG", "LC_", "LD", "MKL", "NPY", "OMP", "OPENBLAS", "PATH", "PYTEST", "PYTHON"),
    *("RESNET50_", "TMP", "TZ", "UBSAN", "XDG_CACHE"),
)
OURS = ("COLORTERM", "COLUMNS", "RESNET50_NOX", "PYTEST_CURRENT_TEST")
TOOLS = Path(__file__).parent


def state(interpreter: Path, build: str) -> str:
    """A digest of all that, for tests that `interpreter` runs: only where it is the same does an earlier pass count."""
    lines = (interpreter.parents[1] / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    python = [line for line in lines if line.startswith(("home", "implementation", "version", "virtualenv"))]
    return digest([python, BUILDS[build].setup, compilers(BUILDS[build].compiler), *machine()])


def libraries(interpreter: Path) -> list[str]:
    """The libraries in an environment with their versions."""
    return sorted(path.name for path in site_packages(interpreter).glob("*.dist-info"))


def site_packages(interpreter: Path) -> Path:
    """Where an environment has its packages."""
    home = interpreter.parents[1]
    return next(iter(sorted(home.glob("lib/python3*/site-packages"))), home / "Lib" / "site-packages")


@cache
def compilers(own: str | None) -> list[str]:
    """The compilers that builds and tests use, where they lie and which version they are."""
    wanted = {os.environ.get("CC") or "cc", own or "cc", "cc", "gcc"}
    return [f"{command} {shutil.which(shlex.split(command)[0])} {answer(command)}" for command in sorted(wanted)]


def answer(command: str) -> str:
    """What a compiler says of itself; nothing where there is none."""
    try:
        return subprocess.run([*shlex.split(command), "--version"], capture_output=True, encoding="utf-8").stdout
    except OSError:
        return ""


@cache
def machine() -> list[object]:
    """The processor's features and number, the system, the user; the variables; what programs there are; this runner.

    A test is skipped where a program is missing: the folders of PATH change when one is installed.
    """
    settings = sorted(item for item in os.environ.items() if item[0].startswith(SETTINGS) and item[0] not in OURS)
    folders = [Path(name) for name in os.environ.get("PATH", "").split(os.pathsep)]
    programs = [(str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()]
    system = [platform.system(), platform.release(), processor.processors(), getattr(os, "geteuid", int)()]
    runner = [path.read_text(encoding="utf-8") for path in sorted(TOOLS.glob("*.py"))]
    return [sorted(processor.features()), settings, programs, system, runner]
