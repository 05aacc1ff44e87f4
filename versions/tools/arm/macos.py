"""Whether a version's C, written and generated, compiles and links for ARM macOS, whose headers zig brings along."""

import sys
import sysconfig
from pathlib import Path

from arm.machine import step
from arm.spills import generate
from ladder.core.errors import BuildError
from ladder.core.versions import Version

COMPILER = ["-m", "ziglang", "cc", "-target", "aarch64-macos", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
LIBRARY = ["-shared", "-undefined", "dynamic_lookup"]  # Python's functions are found when it is loaded
LIMITED = "-DPy_LIMITED_API=0x030b0000"


def links(version: Version, home: Path) -> tuple[str, str]:
    """A word, and the compiler's output if it fails; of the generated files one is tried.

    `home`: a folder for the result, and for what zig compiles of the system on first use.
    """
    home.mkdir(parents=True, exist_ok=True)
    include = [LIMITED, f"-I{sysconfig.get_path('include')}"]
    libraries = [sorted((version.folder / "src" / "resnet50" / "ops").glob("*.c"))]
    try:
        if version.generates:
            libraries.append(generate(version, home / version.name)[0][:1])
        for sources in libraries:
            command = [*COMPILER, *LIBRARY, *include, *map(str, sources), "-o", str(home / "library.dylib")]
            step([sys.executable, *command], ZIG_GLOBAL_CACHE_DIR=str(home), ZIG_LOCAL_CACHE_DIR=str(home))
    except BuildError as error:
        return "failed", error.output
    return "links", ""
