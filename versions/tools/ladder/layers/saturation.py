"""`peaks`: what sums of bytes would be if pairs of products were added in 16 bits, on a processor without VNNI."""

import ctypes
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from ladder.core import environment, processor, terminal, weights
from ladder.core.selection import one_or_newest
from ladder.core.worker import prepared
from ladder.machine import peak
from ladder.outputs.compare import SETS
from ladder.outputs.exactness import VNNI
from shared_weights import integer_operators as operators
from shared_weights.quantised import QuantisedNetwork
from shared_weights.scales import Scale

PICTURE = "chelsea.png"
SOURCE = Path(peak.__file__).with_name("pairs.c")
# In what AVX2 can add two products -> the function: at once, or of bytes that have been widened to 16 bits.
WAYS = {"16 bits (vpmaddubsw)": "sums_by_pairs", "32 bits (vpmaddwd)": "sums_by_words"}
REGISTER = 32  # bytes
QUAD = 4  # channels: as 13_int8 packs them, so that pairs are neighbouring channels of one pixel


@dataclass
class Tally:
    """The sums of a network's convolutions: how many there are, how many a way gets wrong, and by how much at most.

    `furthest`: in steps of the value that the sum becomes, of which there are 255.
    """

    sums: int = 0
    wrong: int = 0
    furthest: float = 0.0


@dataclass(frozen=True)
class Call:
    """What a convolution is given: the bytes, the one that stands for 0, int8 kernels, and its outputs' multipliers."""

    x: np.ndarray
    zero_point: int
    kernels: np.ndarray
    stride: int
    factor: np.ndarray


class Recorder(QuantisedNetwork):
    """A network on bytes that keeps the calls of its convolutions."""

    def __init__(self, state: Mapping[str, np.ndarray], known: Mapping[str, Scale]) -> None:
        super().__init__(state, known)
        self.calls: list[Call] = []

    def convolution(self, x: np.ndarray, given: str, name: str, result: str, stride: int = 1) -> np.ndarray:
        weights, of_x = self.weights[name], self.scales[given]
        factor = operators.multiplier(of_x, weights.scales, self.scales[result])
        self.calls.append(Call(x, of_x.zero_point, weights.values, stride, factor))
        return super().convolution(x, given, name, result, stride)


def wanted() -> bool:
    """Whether this processor has AVX2 but no VNNI, or is told to be used like one that has none."""
    features = processor.features()
    return "avx2" in features and (not features & VNNI or os.environ.get("RESNET50_ISA") == "avx2")


def show(root: Path) -> None:
    """Print how many sums each of WAYS gets wrong with the two sets that need no download."""
    version = one_or_newest(root, None)
    with terminal.working("adding products of bytes in 16 bits"):
        functions = build(root / "build" / "peaks")
        rows = []
        for folder in map(weights.find, SETS):
            [image] = prepared(version.name, environment.python(version), folder, [root / "pics" / PICTURE])
            rows.append((folder.name, tally(Recorder.load(folder), image, functions)))
    terminal.output().print(tabulate(rows))


def build(folder: Path) -> dict[str, "ctypes._NamedFuncPointer"]:
    """The functions of WAYS; raises LadderError if there is no compiler that knows AVX2."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        library = Path(scratch) / "pairs.so"
        peak.compile_library(library, SOURCE)
        loaded = ctypes.CDLL(str(library))
    functions = {way: getattr(loaded, name) for way, name in WAYS.items()}
    for function in functions.values():
        function.argtypes, function.restype = [ctypes.c_void_p] * 3 + [ctypes.c_ssize_t] * 3, None
    return functions


def tally(network: Recorder, image: np.ndarray, functions: dict[str, "ctypes._NamedFuncPointer"]) -> dict[str, Tally]:
    """For each way, all convolutions' sums for an image, against the exact ones; each is given the right bytes."""
    network(image)
    found = {way: Tally() for way in functions}
    for call in network.calls:
        patches, kernels = products(call)
        exact = (patches.astype(np.float64) @ kernels.T.astype(np.float64)).astype(np.int64)
        for way, function in functions.items():
            sums = np.empty(exact.shape, np.int32)
            function(sums.ctypes.data, patches.ctypes.data, kernels.ctypes.data, *exact.shape, patches.shape[1])
            wrong = np.abs(sums - exact)
            found[way].sums += wrong.size
            found[way].wrong += int(np.count_nonzero(wrong))
            found[way].furthest = max(found[way].furthest, float((wrong * call.factor).max()))
    return found


def products(call: Call) -> tuple[np.ndarray, np.ndarray]:
    """What a convolution multiplies: its windows, uint8 (pixels, size), and its kernels, int8 (outputs, size).

    In the order of 13_int8: channels last, filled up to quads.
    """
    kernels = channels_filled(call.kernels.transpose(0, 2, 3, 1))
    seen = windows(channels_filled(call.x), call.zero_point, kernels.shape[1], call.stride)
    return filled(seen), filled(kernels.reshape(len(kernels), -1))


def windows(x: np.ndarray, zero_point: int, side: int, stride: int) -> np.ndarray:
    """The bytes in each window of a convolution, (pixels, side * side * channels), padded with what stands for 0."""
    margin = side // 2
    padded = np.pad(x, ((margin, margin), (margin, margin), (0, 0)), constant_values=zero_point)
    found = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))[::stride, ::stride]
    return found.transpose(0, 1, 3, 4, 2).reshape(-1, side * side * x.shape[2])


def channels_filled(x: np.ndarray) -> np.ndarray:
    """With zeros as further channels, so that they are whole quads."""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % QUAD)])


def filled(rows: np.ndarray) -> np.ndarray:
    """Contiguous, and with zeros at the end of each row, so that it fills whole registers."""
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, -rows.shape[1] % REGISTER))))


def tabulate(rows: Iterable[tuple[str, dict[str, Tally]]]) -> Table:
    """A row for each weight set and way."""
    table = terminal.table(f"the convolutions' sums for {PICTURE} without VNNI")
    for head in ("weights", "added in", "sums", "wrong", "%", "by at most"):
        table.add_column(head, justify="left" if head in ("weights", "added in") else "right")
    for name, tallies in rows:
        for way, found in tallies.items():
            share = f"{100 * found.wrong / found.sums:.2g}"
            steps = f"{found.furthest:.3g} steps" if found.wrong else ""
            table.add_row(name, way, f"{found.sums:,}", f"{found.wrong:,}", share, steps)
    return table
