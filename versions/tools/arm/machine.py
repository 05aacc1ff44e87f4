"""A 64-bit ARM Linux in a folder: Debian's Python and its libraries, run by qemu."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ladder.core import environment
from ladder.core.errors import LadderError

COMPILER = "aarch64-linux-gnu-gcc"
OBJDUMP = "aarch64-linux-gnu-objdump"
QEMU = "qemu-aarch64"
PACKAGES = {COMPILER: "gcc-aarch64-linux-gnu", OBJDUMP: "binutils-aarch64-linux-gnu", QEMU: "qemu-user"}

# apt's own folders, so that neither root's rights nor a second architecture of the system are needed.
APT = """
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
"""


@dataclass(frozen=True)
class Machine:
    """The machine in the folder `home`."""

    home: Path

    @property
    def root(self) -> Path:
        """What would be / on it."""
        return self.home / "root"

    @property
    def packages(self) -> Path:
        """The libraries from the Python package index."""
        return self.home / "packages"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return next(iter(sorted(self.root.glob("usr/bin/python3.*[0-9]"))), self.root / "usr/bin/python3")

    def run(
        self, cpu: str, package: Path, arguments: Sequence[str | Path], cwd: Path
    ) -> "subprocess.CompletedProcess[str]":
        """Run its Python on the processor `cpu`, with a version's unpacked wheel `package` and all libraries.

        The compiler that a version calls is this machine's cross compiler, which runs unemulated.
        """
        own = {
            "CC": COMPILER,
            "OPENBLAS_CORETYPE": "",  # if it is set, it names this machine's processor
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(map(str, (package, self.packages))),
            "PYTHONPYCACHEPREFIX": str(self.home / "pycache"),
            "QEMU_CPU": cpu,
            "QEMU_LD_PREFIX": str(self.root),
            "RESNET50_CACHE": str(self.home / "cache"),
            "RESNET50_TEST_CACHE": str(self.home / "test_cache"),
            "RESNET50_THREADS": "2",
        }
        return subprocess.run(
            [QEMU, str(self.python), *map(str, arguments)],
            cwd=cwd,
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )


def need_tools() -> None:
    """Raise LadderError, with the command that installs them, if tools are missing."""
    missing = [package for tool, package in PACKAGES.items() if shutil.which(tool) is None]
    if missing:
        raise LadderError(f"this needs Debian's {' and '.join(missing)}: apt-get install {' '.join(missing)}")


def need_processors(names: Iterable[str]) -> None:
    """Raise LadderError, with all names that qemu knows, if it does not know one of these."""
    known = subprocess.run([QEMU, "-cpu", "help"], capture_output=True, text=True).stdout.split()[2:]
    for name in names:
        if name not in known:
            raise LadderError(f"qemu emulates no processor {name!r}; it knows {', '.join(known)}")


def prepare(machine: Machine, requirements: Iterable[str]) -> None:
    """Make the machine, with these requirements installed, unless that has been done before."""
    stamp, wanted = machine.home / "installed.json", json.dumps(sorted(set(requirements)))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(machine.home, ignore_errors=True)
    machine.home.mkdir(parents=True)
    install_python(machine)
    install_packages(machine, json.loads(wanted))
    stamp.write_text(wanted)


def install_python(machine: Machine) -> None:
    """Download Debian's Python and all that it depends on, and unpack them."""
    if shutil.which("apt-get") is None:
        raise LadderError("an ARM Python is downloaded with apt-get, which this system lacks")
    apt = machine.home / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "apt.conf").write_text(APT.format(apt=apt))
    for words in ("update -qq", "install -qq --yes --download-only --no-install-recommends python3 libstdc++6"):
        step(["apt-get", *words.split()], APT_CONFIG=str(apt / "apt.conf"))
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        step(["dpkg-deb", "--extract", str(package), str(machine.root)])
    if not (machine.root / "lib").exists():  # from Debian 13 on a package of its own makes this link
        (machine.root / "lib").symlink_to("usr/lib")
    shutil.rmtree(apt)


def install_packages(machine: Machine, requirements: Sequence[str]) -> None:
    """Install built wheels for ARM from the Python package index."""
    version = machine.python.name.removeprefix("python")
    platform = ["--python-platform", "aarch64-unknown-linux-gnu", "--python-version", version]
    place = ["--only-binary", ":all:", "--target", str(machine.packages)]
    step([sys.executable, "-m", "uv", "pip", "install", "--quiet", *platform, *place, *requirements])


def step(command: Sequence[str], **more: str) -> None:
    """Run a command silently, with `more` variables; raises BuildError with its output if it fails."""
    environment.step(command, os.environ | more, f"{command[0]} failed; its output is above")
