"""`peaks`: what this machine reaches in multiply-adds of each kind of number, and the least time that follows."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.processor import processors
from ladder.layers import least, saturation
from ladder.machine import peak
from ladder.machine.bandwidth import Bandwidth
from ladder.machine.peak import Peak
from ladder.timing import cost
from shared_weights.architecture import Layer, layers

KINDS = {  # numbers -> the bytes of one, and the instruction sets that multiply them
    "float32": (4, ("AVX-512", "AVX2", "NEON")),
    "bfloat16": (2, ("AVX-512 BF16",)),
    "int8": (1, peak.INT8),
}
LAST_OF_STEP = ("relu", "relu1", "relu2", "relu3", "downsample.1", "maxpool", "avgpool", "fc")


@dataclass(frozen=True)
class Speed:
    """The most operations per second that some cores reach with an instruction set, on numbers of so many bytes."""

    kind: str
    bytes: int
    instructions: str
    flops: dict[int, float]  # number of cores -> operations per second


def peaks(root: Path, size: int, threads: int | None, rounds: int, all_layers: bool = False) -> int:
    """Measure, and print the speeds and the least times for a picture of `size` x `size` pixels; returns the exit code.

    Then the newest versions' times, by kind or of `all_layers`; and what becomes of sums of bytes where VNNI is
    missing. Raises LadderError if the processor or the compiler is one that peak.c does not know.
    """
    counts = tuple(sorted({1, threads or processors()}))
    loops, bandwidth = find_loops(root / "build" / "peaks"), Bandwidth(counts)
    for loop in loops:
        loop.threads = counts
    with terminal.progress("measuring", rounds) as begin:
        for number in range(rounds):
            begin(f"round {number + 1}")
            for loop in loops:
                loop.measure()
            bandwidth.measure()
    speeds, rates = speeds_of(loops, counts), bandwidth.best()
    console = terminal.output()
    console.print(tabulate(speeds, counts))
    console.print(f"memory: {' and '.join(f'{rates[count] / 1e9:.3g}' for count in counts)} GB/s, copied")
    console.print(tabulate_times(speeds, rates, size))
    if saturation.wanted():
        saturation.show(root)
    return least.show(root, size, threads or 1, rounds, all_layers)


def find_loops(home: Path) -> list[Peak]:
    """The loops in float32 and, if the processor and the compiler know any, in narrower numbers."""
    loops = [peak.build(home)]
    try:
        loops.append(peak.build(home, narrow=True))
    except LadderError as error:
        terminal.note(f"ladder: {error}")
    return loops


def speeds_of(loops: list[Peak], counts: tuple[int, ...]) -> list[Speed]:
    """What was measured, in the order of KINDS."""
    found = {count: {name: max(v) for loop in loops for name, v in loop.flops[count].items()} for count in counts}
    return [
        Speed(kind, size, name, {count: found[count][name] for count in counts})
        for kind, (size, names) in KINDS.items()
        for name in names
        if name in found[1]
    ]


def best(speeds: list[Speed], kind: str, count: int) -> Speed:
    """The fastest instructions for a kind of number."""
    return max((speed for speed in speeds if speed.kind == kind), key=lambda speed: speed.flops[count])


def steps_of(size: int) -> list[list[Layer]]:
    """The network's steps, with batch norm, ReLU and the residual sum in one with their convolution."""
    network = layers(size, size)
    told = {layer.name for layer in network if layer.name.split(".", 2)[-1] in LAST_OF_STEP}
    return list(cost.fused(network, told).values())


def least_times(speed: Speed, count: int, rate: float, size: int) -> tuple[float, float]:
    """The seconds of all operations at the peak, and those if each step also moves its bytes from and to memory."""
    steps, flops = steps_of(size), speed.flops[count]
    arithmetic = sum(cost.operations(step) for step in steps) / flops
    both = sum(max(cost.operations(step) / flops, cost.moved_bytes(step) * speed.bytes / 4 / rate) for step in steps)
    return arithmetic, both


def tabulate(speeds: list[Speed], counts: tuple[int, ...]) -> Table:
    """A row for each instruction set."""
    table = terminal.table("the most operations per second, a multiply-add counted as two")
    table.add_column("numbers")
    table.add_column("instructions")
    for count in counts:
        table.add_column(f"GOP/s, {cores(count)}", justify="right")
    table.add_column("x float32", justify="right")
    fastest = best(speeds, "float32", 1).flops[1]
    for speed in speeds:
        figures = [f"{speed.flops[count] / 1e9:.3g}" for count in counts]
        table.add_row(speed.kind, speed.instructions, *figures, f"{speed.flops[1] / fastest:.2f}")
    return table


def tabulate_times(speeds: list[Speed], rates: dict[int, float], size: int) -> Table:
    """A row for each kind of number and number of cores, with its fastest instructions."""
    table = terminal.table(f"the least milliseconds for one picture of {size} x {size} pixels")
    for head in ("numbers", "cores", "multiply-adds alone", "and every step's bytes from memory"):
        table.add_column(head, justify="left" if head == "numbers" else "right")
    for kind in dict.fromkeys(speed.kind for speed in speeds):
        for count, rate in rates.items():
            times = least_times(best(speeds, kind, count), count, rate, size)
            table.add_row(kind, str(count), *(f"{1e3 * seconds:.3g}" for seconds in times))
    return table


def cores(count: int) -> str:
    """`1 core`, `2 cores`."""
    return "1 core" if count == 1 else f"{count} cores"
