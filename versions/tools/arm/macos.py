"""Whether a version's C, written and generated, compiles and links for ARM macOS, whose headers zig brings along."""

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from arm.machine import step
from ladder.core.errors import BuildError
from ladder.core.versions import Version

COMPILER = ["-m", "ziglang", "cc", "-target", "aarch64-macos", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
LIBRARY = ["-shared", "-undefined", "dynamic_lookup"]  # Python's functions are found when it is loaded
LIMITED = "-DPy_LIMITED_API=0x030b0000"


def links(version: Version, generated: Iterable[Path], home: Path) -> tuple[str, str]:
    """A word, and the compiler's output if it fails. Each generated file is a library of its own.

    `home`: a folder for the result, and for what zig compiles of the system on first use.
    """
    home.mkdir(parents=True, exist_ok=True)
    include = [LIMITED, f"-I{sysconfig.get_path('include')}"]
    extension = sorted((version.folder / "src" / "resnet50" / "ops").glob("*.c"))
    try:
        for sources in (extension, *([file] for file in generated)):
            command = [*COMPILER, *LIBRARY, *include, *map(str, sources), "-o", str(home / "library.dylib")]
            step([sys.executable, *command], ZIG_GLOBAL_CACHE_DIR=str(home), ZIG_LOCAL_CACHE_DIR=str(home))
    except BuildError as error:
        return "failed", error.output
    return "links", ""
