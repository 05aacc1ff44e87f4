"""The most floating-point operations that one core of this processor does in a second, measured with a loop in C."""

import ctypes
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ladder import processor
from ladder.errors import LadderError

SOURCE = Path(__file__).with_name("peak.c")
CHAINS = 12  # as in peak.c
ROUNDS = 2_000_000  # of CHAINS instructions; 5 ms at 4 GHz, long enough for a clock and short beside an inference

# Name of an instruction set -> its function in peak.c, the features that it needs, and the lanes of a register.
LOOPS = {
    "AVX2": ("peak_avx2", frozenset({"x86_64", "avx2", "fma"}), 8),
    "AVX-512": ("peak_avx512", frozenset({"x86_64", "avx512f"}), 16),
}


@dataclass
class Peak:
    """The FMA loops that this processor can run, and what they have reached so far.

    `flops`: instruction set -> operations in a second of one core, one number for each call of `measure`; a
    multiply-add counts as two.
    """

    functions: dict[str, Callable[[int], float]]
    flops: dict[str, list[float]] = field(default_factory=dict)

    def measure(self) -> None:
        """Run each loop once."""
        for name, function in self.functions.items():
            started = time.perf_counter()
            function(ROUNDS)
            seconds = time.perf_counter() - started
            self.flops.setdefault(name, []).append(2 * CHAINS * LOOPS[name][2] * ROUNDS / seconds)

    def medians(self) -> dict[str, float]:
        """Instruction set -> median of what was measured; the fastest one first."""
        found = {name: statistics.median(values) for name, values in self.flops.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def build(folder: Path, features: frozenset[str] | None = None) -> Peak:
    """The loops for a processor with these features (default: this one), compiled by $CC or cc in a folder below
    `folder` that does not outlive the call.

    Raises LadderError with a sentence if the processor has no FMA that peak.c knows of, or if there is no compiler.
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
    """peak.c as a shared library; raises LadderError with the compiler's first words if that fails."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, "-std=c11", "-O3", "-shared", "-fPIC", str(SOURCE), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        raise LadderError(f"the peak is unknown: there is no C compiler {compiler[0]!r} to measure it with") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise LadderError(f"the peak is unknown: {shlex.join(compiler)} could not compile peak.c: {words[0]}")
