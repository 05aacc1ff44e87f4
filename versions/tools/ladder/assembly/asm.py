"""`asm`: prints the machine code of a version's C as assembly with its source lines, and counts its instructions."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ladder.assembly import generated
from ladder.assembly.objdump import KINDS, Function, Instruction, count, disassemble
from ladder.core import environment, processor, terminal
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover, find, obstacle
from shared_weights.tensor_file import appearing_whole

MEANING = (
    "FMA: multiply-adds; vector, scalar: other instructions on vector registers, on all lanes or on one float; loads, "
    "stores: including instructions with a memory operand. Below a function stand its innermost loops, marked | in the "
    "listing. Intel syntax: the destination comes first."
)


@dataclass(frozen=True)
class Unit:
    """A C file, its object file, and the compiler's arguments that affect the generated code."""

    source: Path
    target: Path
    flags: str


def asm(root: Path, name: str, wanted: str, out: Path | None = None) -> int:
    """Print the functions of one C file, of a layer's generated C, or one function; or write them to `out`. Returns 0.

    Raises LadderError if there is no such version, file or function, if the version has no C, or without objdump.
    """
    version = find(discover(root), name)
    if not version.has_c():
        raise LadderError(f"{version.name} has no C, so there is no assembly to show")
    if reason := obstacle(version):
        raise LadderError(reason)
    if "x86_64" not in processor.features():
        raise LadderError("asm knows only the instructions of x86-64, and this is another processor")
    environment.python(version, "asm")
    meson = environment.home_of(version, "asm") / "meson"
    chosen = generated_units(version, wanted) or [choose(version, units(meson), wanted)]

    def show_all(console: Console) -> None:
        for number, (unit, functions) in enumerate(chosen):
            if number:
                console.print()
            show(console, f"{version.name}, {unit.source.name}, compiled by {compiler(meson)}: {unit.flags}", functions)

    if out is None:
        show_all(terminal.output())
    else:
        with appearing_whole(out) as partial, partial.open("w", encoding="utf-8") as file:
            show_all(Console(file=file, width=120))
        terminal.note(f"written to {out}")
    return 0


def generated_units(version: Version, wanted: str) -> list[tuple[Unit, list[Function]]]:
    """The functions of the generated files that are named so, or that a layer of this name has."""
    if not version.generates:
        return []
    files, flags_of_all = generated.generate(version)
    found = []
    for file in generated.choose(files, wanted):
        target = generated.compiled(file, flags_of_all)
        found.append((Unit(file, target, flags(shlex.join(flags_of_all))), disassemble(target, file.parent)))
    return found


def units(meson: Path) -> list[Unit]:
    """All C files that were compiled in this build folder, with their object files."""
    commands = json.loads((meson / "compile_commands.json").read_text(encoding="utf-8"))
    return [
        Unit((meson / entry["file"]).resolve(), meson / entry["output"], flags(entry["command"])) for entry in commands
    ]


def flags(command: str) -> str:
    """The arguments of a compiler's command that affect the generated code."""
    chosen = (word for word in shlex.split(command) if word.startswith(("-O", "-f", "-m", "-std", "-g")))
    return " ".join(word for word in chosen if not word.startswith(("-fdiagnostics", "-fvisibility")))


def compiler(meson: Path) -> str:
    """The compiler's name and version, as it reports them."""
    found = json.loads((meson / "meson-info" / "intro-compilers.json").read_text(encoding="utf-8"))
    return str(found["host"]["c"]["full_version"])


def choose(version: Version, units: list[Unit], wanted: str) -> tuple[Unit, list[Function]]:
    """The file named `wanted`, with or without its suffix, and all its functions; else the function of that name.

    Variants that the compiler made of the function, to whose names it appends a dot and more, are shown too.
    """
    for unit in units:
        if wanted in (unit.source.name, unit.source.stem):
            return unit, disassemble(unit.target, version.folder)
    for unit in units:
        functions = disassemble(unit.target, version.folder)
        if chosen := [function for function in functions if function.name.split(".")[0] == wanted]:
            return unit, chosen
    raise LadderError(
        f"{version.name} has no C file and no compiled function {wanted!r}; its files are "
        f"{', '.join(sorted(unit.source.name for unit in units))}; a static function may be inlined where it is called"
        + "; generated C is named by a layer, as `profile` names it"
        * version.generates
    )


def show(console: Console, head: str, functions: list[Function]) -> None:
    """Print the counts and, below them, the listing; lines are not wrapped."""
    console.print(head, markup=False, soft_wrap=True)
    console.print(tabulate(functions))
    console.print(MEANING, markup=False)
    for function in functions:
        console.print()
        for line in listing(function):
            console.print(line, soft_wrap=True)


def tabulate(functions: list[Function]) -> Table:
    """A table of instruction counts: a row for each function, and below it one for each innermost loop."""
    table = terminal.table()
    table.add_column("function\n  loop, lines", overflow="fold")
    for kind in KINDS:
        table.add_column(kind, justify="right")
    for function in functions:
        add_counts(table, Text(function.name, style="bold"), function.instructions)
        for loop in function.loops():
            lines = sorted({one.source[1] for one in loop if one.source})
            where = f", {lines[0]} to {lines[-1]}" if lines else ""
            add_counts(table, Text(f"  {loop[0].address:x} to {loop[-1].address:x}{where}"), loop)
    return table


def add_counts(table: Table, name: Text, instructions: list[Instruction]) -> None:
    """Add a row with the counts."""
    counts = count(instructions)
    table.add_row(name, *(str(counts[kind] or "-") for kind in KINDS))


def listing(function: Function) -> Iterator[Text]:
    """The function's lines: a source line, then the instructions that come from it."""
    yield Text(f"{function.name}:", style="bold")
    in_loops = {one.address for loop in function.loops() for one in loop}
    source = None
    for one in function.instructions:
        if one.source != source and one.source:
            yield Text(f"{one.source[0].name}:{one.source[1]}  {source_line(*one.source)}", style="cyan")
        source = one.source
        mark = "|" if one.address in in_loops else " "
        yield Text(f"  {mark} {one.address:5x}  {one.mnemonic:<12} {operands(one)}".rstrip())


def source_line(path: Path, number: int) -> str:
    """One line of a source file, counted from 1, without its indentation."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[number - 1].strip() if number <= len(lines) else ""


def operands(instruction: Instruction) -> str:
    """The operands; a jump's target is given by its address, a function by its name alone."""
    target, _, place = instruction.operands.partition(" <")
    if not place:
        return target.replace(",", ", ")
    return target if "+" in place else place.removesuffix(">")
