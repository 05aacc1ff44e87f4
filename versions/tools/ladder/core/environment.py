"""A Python environment for each version and build, created, filled and kept in build/NAME/BUILD."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ladder.core import compiler, installing, terminal
from ladder.core.errors import BuildError, LadderError
from ladder.core.installing import interpreter_of
from ladder.core.versions import ROOT, Version

FLAGS = ("CPPFLAGS", "CFLAGS", "LDFLAGS")  # variables that meson obeys, besides CC


@dataclass(frozen=True)
class Build:
    """One way to build a version: arguments for `meson setup`, and the C compiler, by default $CC or the system's."""

    setup: tuple[str, ...]
    compiler: str | None = None
    installed: bool = True  # if not, it is only compiled, for its warnings or its assembly


BUILDS = {
    "release": Build(("-Dwerror=true",)),
    "asm": Build(("-Dwerror=true", "-Dc_args=-g"), installed=False),  # the same code, with line numbers
    "clang": Build(("-Dwerror=true",), "clang", installed=False),
    "sanitize": Build(
        (
            "-Dbuildtype=debugoptimized",
            "-Db_sanitize=address,undefined",
            "-Db_lundef=false",  # the sanitizers' functions are in preloaded libraries
            "-Dc_args=-fno-sanitize-recover=all",
        ),
        "gcc",
    ),
}


def python(version: Version, build: str = "release") -> Path:
    """The interpreter of an environment in which `version` and pytest are installed.

    The environment is created or updated if the version's files, its folder's path, the interpreter or the build's
    settings have changed since the last call; otherwise this takes milliseconds. Processes that ask at the same time
    wait for one another.
    Raises BuildError, with the output of pip and meson, if the version can't be built; LadderError if the compiler that
    the build needs or Python's C headers are missing, or if the folder's path contains a character that the build tools
    can't handle.
    """
    if reason := installing.unfit(version.folder):
        raise LadderError(reason)
    if BUILDS[build].compiler or next(version.folder.rglob("*.c"), None):
        compiler.require(BUILDS[build].compiler)
    home = home_of(version, build)
    interpreter = interpreter_of(home / "env")
    stamp = home / "stamp.json"
    wanted = {"tools": tools(build), "files": fingerprint(version.folder)}
    home.mkdir(parents=True, exist_ok=True)
    with waiting_lock(home / "lock", version.name):
        found = read_stamp(stamp)
        if found == wanted:
            return interpreter
        # While a build runs there is no stamp. So if it fails or is killed, the next one sees that the stamp is missing
        # and starts afresh: meson would keep a failed configuration for ever.
        stamp.unlink(missing_ok=True)
        if found.get("tools") != wanted["tools"]:
            for name in ("env", "meson"):
                shutil.rmtree(home / name, ignore_errors=True)
        with terminal.working(f"building {version.name} ({build})"):
            install(version, build, home, interpreter)
        stamp.write_text(json.dumps(wanted))
    return interpreter


def tools(build: str) -> list[str]:
    """Everything besides a version's files that a build depends on: interpreter, compiler, settings of both."""
    command = BUILDS[build].compiler or compiler.chosen()
    flags = [f"{name}={os.environ[name]}" for name in FLAGS if name in os.environ]
    python = [sys.version, os.path.realpath(sys.executable)]
    return [*python, command, compiler.version_of(command), *flags, *BUILDS[build].setup]


def is_current(version: Version, build: str) -> bool:
    """Whether the environment was built from the version's files as they are now."""
    return read_stamp(home_of(version, build) / "stamp.json").get("files") == fingerprint(version.folder)


def home_of(version: Version, build: str) -> Path:
    """The folder that holds the environment (env), meson's build folder (meson) and the stamp."""
    return version.folder.parents[1] / "build" / version.name / build


def variables() -> dict[str, str]:
    """The environment variables for a version's processes.

    There is no PYTHONPATH or PYTHONHOME, which could put another `resnet50` before the installed one; byte code is
    kept, outside the source tree; and one encoding serves for every path on the pipes, even if it is not UTF-8.
    """
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    own = {name: value for name, value in os.environ.items() if name not in unwanted}
    own.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / "build" / "pycache"))
    return own | {"PYTHONIOENCODING": "utf-8:surrogateescape"}


def fingerprint(folder: Path) -> str:
    """A digest of the folder's path and of the names and contents of all files in it, except byte code."""
    digest = hashlib.sha256(str(folder.resolve()).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"\0{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def read_stamp(stamp: Path) -> dict[str, object]:
    """The stamp of the last complete build; empty if there is none, or if the stamp is damaged."""
    try:
        return dict(json.loads(stamp.read_text()))
    except (OSError, ValueError):
        return {}


def install(version: Version, build: str, home: Path, interpreter: Path) -> None:
    """Create the environment if there is none, and install the version and pytest in it."""
    if not BUILDS[build].installed:
        build_wheel(version, build, home)
        return
    folder = home / "env"
    renewed = interpreter.exists()
    if not renewed:
        call(version, installing.make(folder))
    wheel = build_wheel(version, build, home)
    if renewed:  # without this, pip would keep the old build, whose version number is the same
        call(version, installing.install(folder, "--no-deps", "--force-reinstall", str(wheel)))
    call(version, installing.install(folder, str(wheel), "pytest"))
    call(version, installing.check(folder, version.distribution, "pytest"))


def build_wheel(version: Version, build: str, home: Path) -> Path:
    """Build the version's wheel with the meson-python and ninja of this environment.

    By itself pip would reinstall them for every build, which takes longer than the build.
    """
    wheels = home / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    settings = [f"-Csetup-args={argument}" for argument in BUILDS[build].setup]
    own = [f"-Cbuild-dir={home / 'meson'}", *settings, f"--wheel-dir={wheels}", str(version.folder)]
    more = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
    if command := BUILDS[build].compiler:
        more["CC"] = command
    call(version, installing.wheel(*own), **more)
    [wheel] = wheels.glob("*.whl")
    return wheel


def call(version: Version, command: list[str], **more: str) -> None:
    """Run a step of the build silently, with `more` variables; raises BuildError with its output if it fails."""
    failure = f"{version.name} could not be built; the output of the failed step is above"
    step(command, installing.variables(variables()) | more, failure)


def step(command: Sequence[str], environment: Mapping[str, str], failure: str) -> None:
    """Run a command silently; if it fails, raises BuildError that says `failure`, with the command's output."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise BuildError(failure, done.stdout)


def waiting_lock(path: Path, name: str) -> AbstractContextManager[None]:
    """Hold the lock in the file `path`; print a note if another process holds it for more than a second."""
    return installing.held(path, f"building {name}", terminal.note)
