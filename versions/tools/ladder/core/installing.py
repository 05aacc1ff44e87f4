"""Fill an environment with packages, once: `python installing.py FOLDER REQUIREMENT...`, as noxfile.py calls it.

The user's settings for pip and virtualenv (variables, pip.conf) decide where packages come from, but not where they
go. This module also runs in nox's own environment, so it needs only the standard library and filelock.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout  # virtualenv's, which nox needs

NAME = re.compile(r"[A-Za-z0-9._-]+")
# Options that make pip install elsewhere or only in part. `install` overrides some by arguments. These are overridden
# by variables, not just unset: otherwise pip.conf would apply.
PIP = {"PIP_ROOT": os.sep, "PIP_DRY_RUN": "0", "PIP_NO_DEPS": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
# virtualenv's variables that say what an environment is made from, not how.
VIRTUALENV = ("VIRTUALENV_DOWNLOAD", "VIRTUALENV_EXTRA_SEARCH_DIR", "VIRTUALENV_OVERRIDE_APP_DATA")
# Characters that a path must not contain, and the tool that fails on each, found by trying. Spaces, `$`, `"` and the
# letters of all scripts are fine.
UNFIT = {":": "virtualenv", ";": "pip", "'": "meson", "\\": "meson", "\n": "meson", "\r": "meson"}
CHECK = Path(__file__).parents[1] / "inside" / "check_installed.py"


def variables(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables for virtualenv and pip, made from the `given` ones."""
    own = {
        name: value
        for name, value in given.items()
        if name not in ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET")
        and (name in VIRTUALENV or not name.startswith("VIRTUALENV_"))
    }
    return own | PIP | {"VIRTUALENV_CONFIG_FILE": os.devnull}


def unfit(place: Path) -> str | None:
    """Why nothing can be built in this folder, as a sentence; None if it can."""
    for letter in str(place):
        if letter in UNFIT or "\ud800" <= letter <= "\udfff":  # bytes that are not UTF-8
            who = UNFIT.get(letter, "virtualenv")
            return f"{str(place)!a}: {who} can't work in a folder whose path holds {letter!a}: move the repository"
    return None


def make(folder: Path) -> list[str]:
    """The command that makes an empty environment."""
    return [sys.executable, "-m", "virtualenv", "--quiet", str(folder)]


def install(folder: Path, *arguments: str) -> list[str]:
    """The command that installs into the environment in `folder`, and nowhere else."""
    here = ["--no-user", "--target=", f"--prefix={folder}", f"--root={os.sep}"]
    # Python compiles each module that it imports, once. pip would compile all of them and take twice as long.
    return [*pip(interpreter_of(folder)), "install", "--no-compile", *here, *arguments]


def wheel(*arguments: str) -> list[str]:
    """The command that builds a wheel of a folder with the tools of this environment, without a network."""
    own = ["--no-deps", "--no-index", "--no-build-isolation"]
    return [*pip(Path(sys.executable)), "wheel", *own, *arguments]


def pip(interpreter: Path) -> list[str]:
    """The words with which every pip command begins."""
    return [str(interpreter), "-m", "pip", "--python=", "--disable-pip-version-check"]


def check(folder: Path, *requirements: str) -> list[str]:
    """The command that fails with a message if a requirement, or one of its files, is not in the environment."""
    names = [match[0] for requirement in requirements if (match := NAME.match(requirement))]
    return [str(interpreter_of(folder)), "-I", str(CHECK), *names]


def interpreter_of(folder: Path) -> Path:
    """The interpreter of the environment in `folder`."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def held(path: Path, waiting_for: str, say: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock in the file `path`; `say` so if another process holds it for more than a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        say(f"waiting for another process that is {waiting_for} ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def fill(folder: Path, requirements: list[str]) -> int:
    """Create or complete the environment. Returns 0, or the exit code of the step that failed and printed why.

    installed.txt is written last. So an interrupted environment has none, and is created again from scratch.
    """
    if reason := unfit(folder):
        note(reason)
        return 2
    stamp, wanted = folder / "installed.txt", "\n".join(requirements)
    with held(folder.with_name(f"{folder.name}.lock"), f"installing {folder.name}", note):
        before = stamp.read_text() if stamp.exists() and interpreter_of(folder).exists() else None
        if before == wanted:
            return 0
        stamp.unlink(missing_ok=True)
        if before is None:
            shutil.rmtree(folder, ignore_errors=True)
        note(f"installing what {folder.name} needs ...")
        for command in (make(folder), install(folder, "--quiet", *requirements), check(folder, *requirements)):
            if code := subprocess.run(command, env=variables(), stdin=subprocess.DEVNULL).returncode:
                return code
        stamp.write_text(wanted)
    return 0


def note(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(fill(Path(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
