"""Whether the innermost loops of generated C keep all sums in registers, read from the machine code."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from arm.machine import COMPILER, OBJDUMP, step
from ladder.assembly.loops import innermost
from ladder.core import environment, weights
from ladder.core.errors import BuildError
from ladder.core.versions import Version

CODEGEN = Path(__file__).parent / "inside" / "codegen.py"
SYMBOL = re.compile(r"[0-9a-f]+ <(?P<name>.+)>:")
INSTRUCTION = re.compile(r"\s*(?P<address>[0-9a-f]+):\t(?P<mnemonic>\S+)\s*(?P<operands>.*)")
BRANCH = re.compile(r"b(\.\w+)?|cbn?z|tbn?z")
TARGET = re.compile(r"\b([0-9a-f]+) <")
STACK = re.compile(r"\[sp\b")

Instruction = tuple[str, str, str]  # address, mnemonic, operands


@dataclass
class Loop:
    """An innermost loop that multiplies and adds: its function, its multiply-adds, and what it does with the stack."""

    function: str
    multiply_adds: int
    spills: list[str] = field(default_factory=list)


def loops(version: Version, home: Path) -> list[Loop]:
    """Those of the whole network at 224 x 224 pixels. Raises BuildError if its C can't be written or compiled."""
    files, flags = generate(version, home)
    with ThreadPoolExecutor() as threads:
        objects = list(threads.map(partial(compiled, flags=flags), files))
    return [loop for file in objects for loop in read(disassembled(file))]


def generate(version: Version, home: Path) -> tuple[list[Path], list[str]]:
    """The C for 64-bit ARM, written into `home`, and the compiler's arguments."""
    command = [environment.python(version), CODEGEN, "--weights", weights.find("synthetic"), "--out", home]
    done = subprocess.run(list(map(str, command)), env=environment.variables(), capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{version.name} generates no C for ARM", done.stderr)
    return sorted(home.glob("*.c")), shlex.split(done.stdout.rpartition(": ")[2])


def compiled(source: Path, flags: list[str]) -> Path:
    """The object file of one of these files."""
    target = source.with_suffix(".o")
    step([COMPILER, *flags, "-c", str(source), "-o", str(target)])
    return target


def disassembled(file: Path) -> str:
    """What objdump prints of an object file."""
    command = [OBJDUMP, "--disassemble", "--no-show-raw-insn", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read(text: str) -> Iterator[Loop]:
    """The innermost loops with multiply-adds in objdump's output."""
    for function, instructions in functions(text):
        for body in innermost(successors(instructions)):
            lines = [" ".join(instructions[index][1:]) for index in body]
            multiply_adds = sum(line.startswith("fmla ") for line in lines)
            if multiply_adds:
                yield Loop(function, multiply_adds, list(filter(STACK.search, lines)))


def functions(text: str) -> Iterator[tuple[str, list[Instruction]]]:
    """Each function's name and instructions."""
    name = ""
    found: list[Instruction] = []
    for line in [*text.splitlines(), "0 <end>:"]:
        if symbol := SYMBOL.fullmatch(line):
            if found:
                yield name, found
            name, found = symbol["name"], []
        elif instruction := INSTRUCTION.fullmatch(line):
            found.append((instruction["address"], instruction["mnemonic"], instruction["operands"]))


def successors(instructions: list[Instruction]) -> list[list[int]]:
    """For each instruction, the places of those that may come next."""
    places = {address: index for index, (address, _, _) in enumerate(instructions)}
    following = []
    for index, (_, mnemonic, operands) in enumerate(instructions):
        target = TARGET.search(operands) if BRANCH.fullmatch(mnemonic) else None
        nexts = [places[target[1]]] if target and target[1] in places else []
        if mnemonic not in ("b", "ret", "br") and index + 1 < len(instructions):
            nexts.append(index + 1)
        following.append(nexts)
    return following
