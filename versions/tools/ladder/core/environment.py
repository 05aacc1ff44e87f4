"""A Python environment for each version: made, filled and kept in build/NAME/BUILD."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ladder.core import installing, terminal
from ladder.core.errors import BuildError, LadderError
from ladder.core.installing import interpreter_of
from ladder.core.versions import ROOT, Version


@dataclass(frozen=True)
class Build:
    """One way to build a version: what `meson setup` is told, and the C compiler, by default $CC or the system's."""

    setup: tuple[str, ...]
    compiler: str | None = None
    installed: bool = True  # otherwise it is only compiled, to see whether the compiler warns


BUILDS = {
    "release": Build(("-Dwerror=true",)),
    "asm": Build(("-Dwerror=true", "-Dc_args=-g"), installed=False),  # the same code, with line numbers
    "clang": Build(("-Dwerror=true",), "clang", installed=False),
    "sanitize": Build(
        (
            "-Dbuildtype=debugoptimized",
            "-Db_sanitize=address,undefined",
            "-Db_lundef=false",  # the sanitizers' functions are in libraries that are preloaded
            "-Dc_args=-fno-sanitize-recover=all",
        ),
        "gcc",
    ),
}


def python(version: Version, build: str = "release") -> Path:
    """The interpreter of an environment in which `version` and pytest are installed.

    The environment is made or renewed when the version's files, its folder's place, the interpreter or the build's
    settings have changed since the last call, else this takes milliseconds. Processes that ask at the same time wait
    for one another.
    Raises BuildError, with all that pip and meson printed, when the version can't be built; LadderError when the
    compiler that the build asks for is not there, or when the folder's path has a letter that no build can take.
    """
    if reason := installing.unfit(version.folder):
        raise LadderError(reason)
    compiler = BUILDS[build].compiler
    if compiler and not shutil.which(compiler):
        raise LadderError(f"{compiler} is needed for the build {build!r} and was not found")
    home = home_of(version, build)
    interpreter = interpreter_of(home / "env")
    stamp = home / "stamp.json"
    tools = [sys.version, os.path.realpath(sys.executable), compiler or "", *BUILDS[build].setup]
    wanted = {"tools": tools, "files": fingerprint(version.folder)}
    home.mkdir(parents=True, exist_ok=True)
    with waiting_lock(home / "lock", version.name):
        found = read_stamp(stamp)
        if found == wanted:
            return interpreter
        # There is no stamp while a build runs. So the remains of a failed or killed one (meson keeps a failed
        # configure for ever) are recognised by its absence, and the next build starts afresh.
        stamp.unlink(missing_ok=True)
        if found.get("tools") != wanted["tools"]:
            for name in ("env", "meson"):
                shutil.rmtree(home / name, ignore_errors=True)
        with terminal.working(f"building {version.name} ({build})"):
            install(version, build, home, interpreter)
        stamp.write_text(json.dumps(wanted))
    return interpreter


def home_of(version: Version, build: str) -> Path:
    """The folder of the environment (env), of meson's build folder (meson) and of the stamp."""
    return version.folder.parents[1] / "build" / version.name / build


def variables() -> dict[str, str]:
    """The environment variables for a version's processes.

    No PYTHONPATH or PYTHONHOME, which could put another `resnet50` in front of the installed one; byte code out of
    the source tree; one encoding for every path on the pipes, even for names that are not UTF-8.
    """
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
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
    """What the last complete build wrote; empty if there is none, or if it was cut short while writing."""
    try:
        return dict(json.loads(stamp.read_text()))
    except (OSError, ValueError):
        return {}


def install(version: Version, build: str, home: Path, interpreter: Path) -> None:
    """Make the environment if it is not there, and install the version and pytest in it."""
    if not BUILDS[build].installed:
        build_wheel(version, build, home)
        return
    folder = home / "env"
    renewed = interpreter.exists()
    if not renewed:
        call(version, installing.make(folder))
    wheel = build_wheel(version, build, home)
    if renewed:  # pip would keep what is there, since its number is the same
        call(version, installing.install(folder, "--no-deps", "--force-reinstall", str(wheel)))
    call(version, installing.install(folder, str(wheel), "pytest"))
    call(version, installing.check(folder, version.distribution, "pytest"))


def build_wheel(version: Version, build: str, home: Path) -> Path:
    """Build the version's wheel with the meson-python and the ninja of this environment.

    pip alone would install them anew for every build, and that takes longer than the build.
    """
    wheels = home / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    settings = [f"-Csetup-args={argument}" for argument in BUILDS[build].setup]
    own = [f"-Cbuild-dir={home / 'meson'}", *settings, f"--wheel-dir={wheels}", str(version.folder)]
    more = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
    if compiler := BUILDS[build].compiler:
        more["CC"] = compiler
    call(version, installing.wheel(*own), **more)
    [wheel] = wheels.glob("*.whl")
    return wheel


def call(version: Version, command: list[str], **more: str) -> None:
    """Run a step of the build silently, with `more` variables; raises BuildError with its output if it fails."""
    done = subprocess.run(
        command,
        env=installing.variables(variables()) | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise BuildError(f"{version.name} could not be built; what was tried is printed above", done.stdout)


def waiting_lock(path: Path, name: str) -> AbstractContextManager[None]:
    """Hold the lock in file `path`; say so when another process holds it for more than a second."""
    return installing.held(path, f"building {name}", terminal.note)
