"""Everything else that a test's outcome may depend on, besides files and libraries: interpreter, compiler, machine."""

import os
import platform
import shutil
import sys
from functools import cache
from pathlib import Path

from ladder.core import compiler, processor
from ladder.core.environment import BUILDS
from ladder.testing.snapshot import digest

# The environment variables that hold settings for programs: all with these prefixes, except the runner's own.
SETTINGS = (
    *("AR", "ASAN", "BLIS", "C", "FORCE_COLOR", "GCC_", "GIT_", "GLIBC_TUNABLES", "GOTO", "HOME", "HYPOTHESIS", "LANG"),
    *("LC_", "LD", "LIBRARY_PATH", "MALLOC_", "MKL", "MPL", "NO_COLOR", "NPY", "OMP", "OPENBLAS", "PATH", "PIP_"),
    *("PYTEST", "PYTHON", "RESNET50_", "SOURCE_DATE_EPOCH", "TMP", "TZ", "UBSAN", "UV_", "VECLIB", "VIRTUALENV_"),
    *("XDG_CACHE", "XDG_CONFIG", "XDG_DATA"),
)
OURS = ("COLORTERM", "COLUMNS", "RESNET50_NOX", "PYTEST_CURRENT_TEST")
TOOLS = Path(__file__).parent

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]


def state(interpreter: Path, build: str) -> str:
    """A digest of these for tests that `interpreter` runs. An earlier pass counts only if its digest was the same."""
    lines = (interpreter.parents[1] / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    python = [line for line in lines if line.startswith(("home", "implementation", "version", "virtualenv"))]
    return digest([python, BUILDS[build].setup, compilers(BUILDS[build].compiler), *machine()])


def libraries(interpreter: Path) -> list[str]:
    """The libraries in an environment, with their versions."""
    return sorted(path.name for path in site_packages(interpreter).glob("*.dist-info"))


def site_packages(interpreter: Path) -> Path:
    """The folder of an environment's packages."""
    home = interpreter.parents[1]
    return next(iter(sorted(home.glob("lib/python3*/site-packages"))), home / "Lib" / "site-packages")


@cache
def compilers(own: str | None) -> list[str]:
    """The compilers that builds and tests use, with their locations and versions."""
    wanted = {compiler.chosen(), own or "cc", "cc", "gcc"}
    return [f"{one} {shutil.which(compiler.words(one)[0])} {compiler.version_of(one)}" for one in sorted(wanted)]


@cache
def machine() -> list[object]:
    """The processor's features, the environment variables, the programs, the system and user, and this runner itself.

    The programs matter because tests that need a missing one are skipped. Installing one changes a folder of PATH. The
    interpreter that makes the environments counts with its build, and the repository with its place: both decide what
    is installed.
    """
    settings = sorted(item for item in os.environ.items() if item[0].startswith(SETTINGS) and item[0] not in OURS)
    folders = [Path(name) for name in os.environ.get("PATH", "").split(os.pathsep)]
    programs = [(str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()]
    system = [platform.system(), platform.release(), platform.libc_ver(), processor.processors(), user(), limits()]
    sources = sorted([*TOOLS.glob("*.py"), *TOOLS.with_name("core").glob("*.py")])
    runner = [sys.version, str(TOOLS), *(path.read_text(encoding="utf-8") for path in sources)]
    return [sorted(processor.features()), settings, programs, system, runner]


def user() -> list[object]:
    """Who runs the tests: the effective user and group, and all groups."""
    return [getattr(os, "geteuid", int)(), getattr(os, "getegid", int)(), sorted(getattr(os, "getgroups", list)())]


def limits() -> list[object]:
    """What the system allows a process: its limits (ulimit), and the permissions that new files get (umask)."""
    if resource is None:
        return []
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    mask = os.umask(0)
    os.umask(mask)
    return [mask, *(resource.getrlimit(getattr(resource, name)) for name in names)]
