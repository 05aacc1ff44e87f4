"""The peak operations per second of some of this processor's cores, measured with loops in C."""

import ctypes
import os
import shlex
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from ladder.core import compiler, processor
from ladder.core.errors import LadderError

SOURCE, NARROW_SOURCE = (Path(__file__).with_name(name) for name in ("peak.c", "narrow_peak.c"))
CHAINS = 12  # as in both
ROUNDS = 2_000_000  # of CHAINS instructions; 5 ms at 4 GHz, long enough for a clock but short next to an inference

Found = TypeVar("Found")

# Instruction set -> its function in peak.c, the features that it needs, and the multiply-adds of one step of a chain.
Loops = Mapping[str, tuple[str, frozenset[str], int]]
LOOPS: Loops = {
    "AVX2": ("peak_avx2", frozenset({"x86_64", "avx2", "fma"}), 8),
    "AVX-512": ("peak_avx512", frozenset({"x86_64", "avx512f"}), 16),
    "NEON": ("peak_neon", frozenset({"aarch64", "neon"}), 8),  # two registers are a chain: there are twice as many
}
NARROW: Loops = {  # the same for narrow_peak.c
    "AVX-512 VNNI": ("peak_avx512_vnni", frozenset({"x86_64", "avx512f", "avx512_vnni"}), 64),
    "AVX-VNNI": ("peak_avx_vnni", frozenset({"x86_64", "avx2", "avx_vnni"}), 32),
    "AVX2 in 16 bits": ("peak_avx2_words", frozenset({"x86_64", "avx2"}), 16),
    "AVX-512 BF16": ("peak_avx512_bf16", frozenset({"x86_64", "avx512f", "avx512_bf16"}), 32),
}
INT8 = ("AVX-512 VNNI", "AVX-VNNI", "AVX2 in 16 bits")  # those that multiply 8-bit integers


@dataclass
class Peak:
    """The loops that this processor can run, and the speeds that they have reached so far.

    `threads`: how many cores are measured together, one number or several. `flops`: such a number -> instruction set
    -> operations per second of all these cores, one for each call of `measure`; a multiply-add counts as two.
    """

    functions: dict[str, Callable[[int], float]]
    threads: tuple[int, ...] = (1,)
    flops: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    loops: Loops = field(default_factory=lambda: LOOPS)

    def measure(self) -> None:
        """Run each loop once on each number of cores."""
        for count in self.threads:
            for name, function in self.functions.items():
                operations = 2 * CHAINS * self.loops[name][2] * ROUNDS * count
                found = self.flops.setdefault(count, {}).setdefault(name, [])
                found.append(operations / together(count, partial(function, ROUNDS)))

    def medians(self) -> dict[int, dict[str, float]]:
        """Number of cores -> instruction set -> the median of the measurements, the fastest set first."""
        medians = {}
        for count, sets in self.flops.items():
            found = {name: statistics.median(values) for name, values in sets.items()}
            medians[count] = dict(sorted(found.items(), key=lambda item: -item[1]))
        return medians

    def best(self, int8: bool = False) -> dict[int, float]:
        """Number of cores -> the most operations per second with any instruction set, a bound for anything else.

        `int8`: on 8-bit integers, not float32.
        """
        return {count: max(map(max, for_numbers(sets, int8).values())) for count, sets in self.flops.items()}


def for_numbers(sets: Mapping[str, Found], int8: bool) -> dict[str, Found]:
    """What was found for the instruction sets that multiply 8-bit integers, or for those that multiply float32."""
    return {name: found for name, found in sets.items() if (name in INT8) == int8}


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


def build(folder: Path, features: frozenset[str] | None = None, narrow: bool = False) -> Peak:
    """The loops for a processor with these features (default: this one), compiled by $CC or cc.

    `narrow`: those of 8 and 16 bits. They are compiled in a temporary folder below `folder`. Raises LadderError if the
    processor has none of the instructions, or if there is no compiler that knows them.
    """
    features = processor.features() if features is None else features
    loops = NARROW if narrow else LOOPS
    usable = {name: function for name, (function, needed, _) in loops.items() if needed <= features}
    if not usable:
        raise LadderError("the peak is unknown: it is measured with AVX2 and FMA, or NEON, which this processor lacks")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        library = Path(scratch) / "peak.so"
        compile_library(library, NARROW_SOURCE if narrow else SOURCE)
        loaded = ctypes.CDLL(str(library))
    functions = {}
    for name, function in usable.items():
        functions[name] = getattr(loaded, function)
        functions[name].argtypes, functions[name].restype = [ctypes.c_long], ctypes.c_float
    return Peak(functions, loops=loops)


def with_int8(floats: Peak, narrow: Peak) -> Peak:
    """The loops of `floats`, and those of `narrow` that multiply 8-bit integers."""
    return Peak(floats.functions | for_numbers(narrow.functions, int8=True), loops={**floats.loops, **narrow.loops})


def compile_library(library: Path, source: Path = SOURCE) -> None:
    """Compile the file as a shared library; raises LadderError with the compiler's first line if that fails."""
    words = compiler.words(compiler.chosen())
    command = [*words, "-std=c11", "-O3", "-shared", "-fPIC", str(source), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        raise LadderError(f"the peak is unknown: there is no C compiler {words[0]!r} to measure it with") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise LadderError(f"the peak is unknown: {shlex.join(words)} could not compile {source.name}: {said[0]}")
