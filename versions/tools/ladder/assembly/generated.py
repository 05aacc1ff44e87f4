"""The C that a version generates for the network, compiled as the version does it, but with line numbers."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ladder.core import compiler, environment, weights
from ladder.core.errors import BuildError, LadderError
from ladder.core.versions import Version

FLAGS = "What they are compiled with: "  # the version's own command `codegen` says so


def generate(version: Version) -> tuple[dict[Path, list[str]], list[str]]:
    """Write the C for `synthetic` and 224 pixels; returns each file with its layers, and the compiler's arguments.

    Raises LadderError with the last line of stderr if the version fails.
    """
    folder = environment.home_of(version, "asm") / "generated"
    command = ["-m", "resnet50", "codegen", "--weights", str(weights.find("synthetic")), "--out", str(folder)]
    done = run([str(environment.python(version)), *command])
    if done.returncode:
        raise LadderError(f"{version.name} generates no C: {done.stderr.strip().splitlines()[-1]}")
    *lines, _, last = done.stdout.splitlines()
    files = {Path(file): layers.split(", ") for file, _, layers in (line.rpartition(": ") for line in lines)}
    return files, shlex.split(last.partition(FLAGS)[2])


def choose(files: dict[Path, list[str]], wanted: str) -> list[Path]:
    """The file named `wanted`, with or without its suffix, or those of the layer of this name, if there are any."""
    return [file for file, layers in files.items() if wanted in (file.name, file.stem, *layers)]


def compiled(source: Path, flags: Sequence[str]) -> Path:
    """The object file of one of these files; raises BuildError with the compiler's output if that fails."""
    target = source.with_suffix(".o")
    command = [*compiler.words(compiler.chosen()), *flags, "-g", "-c", str(source), "-o", str(target)]
    done = run(command)
    if done.returncode:
        raise BuildError(f"{source.name} could not be compiled; the compiler's output is above", done.stderr)
    return target


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """What a command prints."""
    return subprocess.run(command, env=environment.variables(), capture_output=True, encoding="utf-8", errors="replace")
