"""gcc -fanalyzer and clang-tidy on all C of a version: its sources, and the C generated for a narrow network."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from ladder.core import environment
from ladder.core.errors import LadderError
from ladder.core.versions import Version
from scrutiny import networks
from scrutiny.networks import LISTED

FINDING = re.compile(r": (warning|error): ")
ENGLISH = os.environ | {"LC_ALL": "C"}  # messages in English with plain quotes
TARGETS = {"-o", "-MF", "-MQ"}  # options before the name of a file that the compiler writes
COMPILER_FLAGS = Path(__file__).parent / "inside" / "compiler_flags.py"


def databases(version: Version, scratch: Path) -> list[Path]:
    """The folders with a `compile_commands.json`, which lists all C files and how they are compiled.

    One is meson's; the other, for generated C, is made in `scratch`.
    """
    found = [environment.home_of(version, "release") / "meson"]
    if version.generates:
        found.append(generated(version, scratch))
    return found


def generated(version: Version, scratch: Path) -> Path:
    """Have a version write the C for a narrow network into `scratch`; returns that folder."""
    size = LISTED[0]
    weights = networks.write(scratch / "weights", networks.random_tensors(size, 0))
    run(version, "-m", "resnet50", "codegen", "--weights", weights, "--out", scratch, "--size", size.width)
    flags = json.loads(run(version, COMPILER_FLAGS))
    entries = [
        {"directory": str(scratch), "file": str(file), "arguments": ["cc", *flags, "-c", str(file)]}
        for file in sorted(scratch.glob("*.c"))
    ]
    (scratch / "compile_commands.json").write_text(json.dumps(entries))
    return scratch


def run(version: Version, *arguments: object) -> str:
    """The output of a version's Python for these arguments; raises LadderError if it fails."""
    command = [str(word) for word in (environment.python(version), *arguments)]
    done = subprocess.run(command, env=environment.variables(), capture_output=True, encoding="utf-8")
    if done.returncode:
        raise LadderError(f"{version.name}: {done.stderr.strip()}")
    return done.stdout


def commands(database: Path) -> list[tuple[Path, list[str]]]:
    """Each file of a compilation database, and the command that compiles it."""
    entries = json.loads((database / "compile_commands.json").read_text())
    return [
        (Path(entry["directory"], entry["file"]).resolve(), entry.get("arguments") or shlex.split(entry["command"]))
        for entry in entries
    ]


def fanalyzer(database: Path) -> list[str]:
    """The findings of gcc's analysis of all paths through functions, a line each; raises LadderError without gcc."""
    if not shutil.which("gcc"):
        raise LadderError("gcc is needed for its -fanalyzer and was not found")
    lines = []
    for _, arguments in commands(database):
        kept = [word for before, word in pairwise(arguments) if not {before, word} & TARGETS and word != "-MD"]
        command = ["gcc", *kept, "-fanalyzer", "-fdiagnostics-plain-output", "-o", "/dev/null"]
        done = subprocess.run(command, cwd=database, env=ENGLISH, capture_output=True, encoding="utf-8")
        lines += done.stderr.splitlines()
    return [line for line in lines if FINDING.search(line)]


def clang_tidy(database: Path, root: Path) -> list[str]:
    """The findings of clang-tidy with the checks in .clang-tidy, a line each."""
    command: list[str | Path] = [Path(sys.executable).with_name("clang-tidy"), "--quiet", "-p", database]
    command += [f"--config-file={root / '.clang-tidy'}", *(file for file, _ in commands(database))]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    found = dict.fromkeys(line for line in done.stdout.splitlines() if FINDING.search(line))  # a header's are repeated
    if done.returncode and not found:
        raise LadderError(f"clang-tidy failed: {done.stderr.strip()}")
    return list(found)
