"""The peak floating-point operations per second of some of this processor's cores, measured with a loop in C."""

import ctypes
import os
import shlex
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ladder.core import processor
from ladder.core.errors import LadderError

SOURCE = Path(__file__).with_name("peak.c")
CHAINS = 12  # as in peak.c
ROUNDS = 2_000_000  # of CHAINS instructions; 5 ms at 4 GHz, long enough for a clock but short next to an inference

# Instruction set -> its function in peak.c, the features that it needs, and the lanes of a register.
LOOPS = {
    "AVX2": ("peak_avx2", frozenset({"x86_64", "avx2", "fma"}), 8),
    "AVX-512": ("peak_avx512", frozenset({"x86_64", "avx512f"}), 16),
}


@dataclass
class Peak:
    """The FMA loops that this processor can run, and the speeds that they have reached so far.

    `threads`: how many cores are measured together, one number or several. `flops`: such a number -> instruction set
    -> operations per second of all these cores, one for each call of `measure`; a multiply-add counts as two.
    """

    functions: dict[str, Callable[[int], float]]
    threads: tuple[int, ...] = (1,)
    flops: dict[int, dict[str, list[float]]] = field(default_factory=dict)

    def measure(self) -> None:
        """Run each loop once on each number of cores."""
        for count in self.threads:
            for name, function in self.functions.items():
                operations = 2 * CHAINS * LOOPS[name][2] * ROUNDS * count
                found = self.flops.setdefault(count, {}).setdefault(name, [])
                found.append(operations / together(count, partial(function, ROUNDS)))

    def medians(self) -> dict[int, dict[str, float]]:
        """Number of cores -> instruction set -> the median of the measurements, the fastest set first."""
        medians = {}
        for count, sets in self.flops.items():
            found = {name: statistics.median(values) for name, values in sets.items()}
            medians[count] = dict(sorted(found.items(), key=lambda item: -item[1]))
        return medians

    def best(self) -> dict[int, float]:
        """Number of cores -> the most operations per second with any instruction set, a bound for anything else."""
        return {count: max(map(max, sets.values())) for count, sets in self.flops.items()}


def together(count: int, function: Callable[[], object]) -> float:
    """The seconds from the moment that `count` threads are ready to run `function`, until the last one ends.

    ctypes releases the interpreter lock during a call, so they do run at the same time. If the system allows it, each
    is pinned to its own processor, since Linux may take longer than a measurement to separate them. The clock is read
    before any of them is released: on a busy machine some may end before this thread continues.
    """
    if count == 1:
        started = time.perf_counter()
        function()
        return time.perf_counter() - started
    started = 0.0

    def start() -> None:
        nonlocal started
        started = time.perf_counter()

    ready = threading.Barrier(count, start)
    places = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    def run(index: int) -> None:
        if index < len(places):
            os.sched_setaffinity(0, {places[index]})  # 0: this thread
        ready.wait()
        function()

    threads = [threading.Thread(target=run, args=[index]) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def build(folder: Path, features: frozenset[str] | None = None) -> Peak:
    """The loops for a processor with these features (default: this one), compiled by $CC or cc.

    They are compiled in a temporary folder below `folder`. Raises LadderError if the processor has no FMA that peak.c
    knows, or if there is no compiler.
    """
    features = processor.features() if features is None else features
    usable = {name: function for name, (function, needed, _) in LOOPS.items() if needed <= features}
    if not usable:
        raise LadderError("the peak is unknown: it is measured with AVX2 and FMA, which this processor lacks")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        library = Path(scratch) / "peak.so"
        compile_library(library)
        loaded = ctypes.CDLL(str(library))
    functions = {}
    for name, function in usable.items():
        functions[name] = getattr(loaded, function)
        functions[name].argtypes, functions[name].restype = [ctypes.c_long], ctypes.c_float
    return Peak(functions)


def compile_library(library: Path) -> None:
    """Compile peak.c as a shared library; raises LadderError with the compiler's first line if that fails."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, "-std=c11", "-O3", "-shared", "-fPIC", str(SOURCE), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        raise LadderError(f"the peak is unknown: there is no C compiler {compiler[0]!r} to measure it with") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise LadderError(f"the peak is unknown: {shlex.join(compiler)} could not compile peak.c: {words[0]}")
