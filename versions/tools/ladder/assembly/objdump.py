"""Compiled functions as objdump shows them, with their source lines and counts of instructions."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ladder.assembly.loops import innermost
from ladder.core.errors import LadderError

SYMBOL = re.compile(r"[0-9a-f]+ <(?P<name>.+)>:")
LOCATION = re.compile(r"(?P<inlined>inlined by )?(?P<path>.+):(?P<line>\d+)(?: \(.*\))?")
INSTRUCTION = re.compile(r"\s*(?P<address>[0-9a-f]+):\t(?P<mnemonic>\S+)\s*(?P<operands>.*?)\s*")
RELOCATION = re.compile(r"\s+[0-9a-f]+: R_\S+\t(?P<symbol>.+?)(?:[-+]0x[0-9a-f]+)?")
PREFIXES = {"bnd", "cs", "data16", "ds", "lock", "notrack", "rep", "repz", "repnz"}

KINDS = ("FMA", "vector", "scalar", "loads", "stores", "calls", "all")
FMA = re.compile(r"vfn?m(add|sub).*|vpdp.*")
SCALAR = re.compile(r"(?!v?(broadcast|p)).+s[sd]")  # vpmaxsd and similar are integer instructions on all lanes
ZERO = re.compile(r"v?p?xor.* ([xyz]mm\d+)(,\1)+")
NOTHING = re.compile(r"nop.*|xchg ax,ax|int3 *")  # padding before an aligned address
COPY = re.compile(r"v?mov.* [xyz]mm\d+,[xyz]mm\d+")
# Instructions that may have their first operand in memory without writing to it, or that also read it.
READ_ONLY = re.compile(r"cmp|test|bt|v?u?comis[sd]|call|jmp|push|i?mul|i?div")
BOTH_WAYS = re.compile(r"add|sub|and|or|xor|inc|dec|neg|not|adc|sbb|sh[lr]|sar|ro[lr]|xchg|xadd|cmpxchg")


@dataclass(frozen=True)
class Instruction:
    """One instruction in Intel syntax, target first; `source`: the file and line that it comes from."""

    address: int
    mnemonic: str
    operands: str
    source: tuple[Path, int] | None

    def __str__(self) -> str:
        return f"{self.mnemonic} {self.operands}"

    def target(self) -> int | None:
        """The target address, if this is a jump to a known one."""
        found = re.match(r"([0-9a-f]+) <", self.operands)
        return int(found[1], 16) if self.mnemonic.startswith("j") and found else None

    def kinds(self) -> Iterator[str]:
        """The KINDS that it counts as; an instruction that computes with memory also counts as a load or store.

        FMA: multiply-adds of floats or integers, packed or not. vector, scalar: everything else that works on vector
        registers, on all lanes or on one float; zeroing a register and copying one to another count as neither, since
        scalar code too uses all lanes for that. push and pop are neither loads nor stores.
        """
        yield "all"
        text = str(self)
        if self.mnemonic == "call":
            yield "calls"
        if FMA.fullmatch(self.mnemonic):
            yield "FMA"
        elif re.search(r"\b[xyz]mm\d", self.operands) and not ZERO.fullmatch(text) and not COPY.fullmatch(text):
            yield "scalar" if SCALAR.fullmatch(self.mnemonic) else "vector"
        if "[" not in self.operands or re.match(r"lea|nop|prefetch", self.mnemonic):
            return
        stores = "[" in self.operands.split(",")[0] and not READ_ONLY.fullmatch(self.mnemonic)
        if stores:
            yield "stores"
        if not stores or BOTH_WAYS.fullmatch(self.mnemonic):
            yield "loads"


@dataclass
class Function:
    """A compiled function, in the order of addresses."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def loops(self) -> list[list[Instruction]]:
        """The innermost loops, each in the order of addresses."""
        places = {one.address: index for index, one in enumerate(self.instructions)}
        successors = []
        for index, one in enumerate(self.instructions):
            target = one.target()
            following = [] if target is None or target not in places else [places[target]]
            if not re.fullmatch(r"jmp|ret|ud2|hlt", one.mnemonic) and index + 1 < len(self.instructions):
                following.append(index + 1)
            successors.append(following)
        found = innermost(successors, lambda index: NOTHING.fullmatch(str(self.instructions[index])) is not None)
        return [[self.instructions[index] for index in loop] for loop in found]


def count(instructions: Iterable[Instruction]) -> Counter[str]:
    """The number of instructions of each kind."""
    return Counter(kind for instruction in instructions for kind in instruction.kinds())


def disassemble(file: Path, folder: Path) -> list[Function]:
    """The functions of an object file, with only those source lines that are in `folder`.

    Raises LadderError if objdump is missing, or if it fails, with its message.
    """
    command = ["objdump", "-d", "-r", "-l", "--inlines", "--no-show-raw-insn", "-M", "intel", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise LadderError("objdump (Debian's package binutils) is needed for this and was not found") from None
    if done.returncode:
        raise LadderError(f"objdump failed: {done.stderr.strip()}")
    return parse(done.stdout, folder)


def parse(text: str, folder: Path) -> list[Function]:
    """The functions in objdump's output.

    objdump prints the file and line before the instructions that come from it. For an inlined function the places of
    its callers follow, the innermost first. The first of all these in `folder` counts, so that an intrinsic belongs to
    the line that uses it.
    """
    functions: list[Function] = []
    places: list[tuple[Path, int]] = []
    chain_ended = True
    for line in text.splitlines():
        if found := SYMBOL.fullmatch(line):
            functions.append(Function(found["name"]))
            places = []
        elif (found := INSTRUCTION.fullmatch(line)) and functions:
            source = next((place for place in places if place[0].is_relative_to(folder)), None)
            functions[-1].instructions.append(instruction(found, source))
            chain_ended = True
        elif (found := RELOCATION.fullmatch(line)) and functions:
            functions[-1].instructions[-1] = with_symbol(functions[-1].instructions[-1], found["symbol"])
        elif found := LOCATION.fullmatch(line):
            place = (Path(os.path.normpath(found["path"])), int(found["line"]))
            if found["inlined"]:  # after an instruction only the chain of callers is printed again, for the same line
                place_before = places[:1] if chain_ended else places
                places = [*place_before, place]
            else:
                places = [place]
            chain_ended = False
    return functions


def instruction(found: re.Match[str], source: tuple[Path, int] | None) -> Instruction:
    """The instruction in a line of objdump's output, without prefixes and comments."""
    words = [found["mnemonic"], *found["operands"].split()]
    prefixes = next((index for index, word in enumerate(words) if word not in PREFIXES), 0)
    mnemonic, operands = words[prefixes], " ".join(words[prefixes + 1 :])
    return Instruction(int(found["address"], 16), mnemonic, operands.split(" #")[0], source)


def with_symbol(instruction: Instruction, symbol: str) -> Instruction:
    """The instruction with the symbol that the linker will fill in: as a jump's target, or else as a comment."""
    is_jump = instruction.mnemonic == "call" or instruction.mnemonic.startswith("j")
    operands = symbol if is_jump and "[" not in instruction.operands else f"{instruction.operands}  ; {symbol}"
    return Instruction(instruction.address, instruction.mnemonic, operands, instruction.source)
