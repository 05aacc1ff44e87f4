"""A version's wheel for 64-bit ARM Linux, built by the cross compiler."""

import os
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path

from arm.machine import COMPILER
from ladder.core import environment, installing
from ladder.core.errors import BuildError
from ladder.core.versions import Version

# The headers are those of this machine's Python. They differ in nothing that the limited API depends on; but Debian's
# choose a file by the processor, which has to be there.
CROSS = """
[binaries]
c = '{compiler}'
ar = '{prefix}ar'
strip = '{prefix}strip'

[built-in options]
c_args = ['-I{include}']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""
MACHINE = 18  # where an ELF file says for which machine it is
AARCH64 = 183


def build(version: Version, home: Path) -> Path:
    """Build and unpack the wheel; returns the folder of its content, `home`/package. Raises BuildError."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    include = home / "include"
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    config = include / "aarch64-linux-gnu" / name / "pyconfig.h"
    config.parent.mkdir(parents=True)
    config.write_text(f'#include "{sysconfig.get_config_h_filename()}"\n')
    cross = home / "cross.ini"
    cross.write_text(CROSS.format(compiler=COMPILER, prefix=COMPILER.removesuffix("gcc"), include=include))
    settings = [f"-Csetup-args={argument}" for argument in (f"--cross-file={cross}", "-Dwerror=true")]
    own = [f"-Cbuild-dir={home / 'meson'}", *settings, f"--wheel-dir={home}", str(version.folder)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment.call(version, installing.wheel(*own), PATH=path, _PYTHON_HOST_PLATFORM="linux-aarch64")
    [wheel] = home.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home / "package")
    libraries = list((home / "package").rglob("*.so"))
    if version.has_c() and (not libraries or not wheel.stem.endswith("linux_aarch64")):
        raise BuildError(f"{wheel.name} is not for 64-bit ARM", "")
    for library in libraries:
        if machine_of(library) != AARCH64:
            raise BuildError(f"{wheel.name} is not for 64-bit ARM", f"{library.name} is not")
    return home / "package"


def machine_of(library: Path) -> int:
    """The number of the machine that an ELF file is for."""
    return int.from_bytes(library.read_bytes()[MACHINE : MACHINE + 2], "little")
