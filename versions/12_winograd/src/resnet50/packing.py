"""Kernels packed for register tiles, and biases, as the generated C loads them."""

from math import prod

import numpy as np

from .instruction_sets import InstructionSet
from .memory import LINE, aligned
from .rounding import round_up
from .tiles import strip_channels


def arrange(
    kernels: np.ndarray, scale: np.ndarray, bias: np.ndarray, isa: InstructionSet, memory: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's kernels, from the file's layout to the generated C's, each times its `scale`, and its `bias`.

    Both are in `memory`, `arranged_size` float32 numbers, or in memory of its own. `kernels`: (O, I, H, W), or a matrix
    (O, I), whose rows are kernels of 1 x 1; `scale` and `bias`: (O,), float64. They are rounded only once, here.
    """
    if memory is None:
        memory = aligned(arranged_size(kernels.shape, isa))
    size = packed_size(len(kernels), prod(kernels.shape[1:]), isa)
    packed, biases = memory[:size], memory[round_up(size, LINE) :]
    pack(kernels if kernels.ndim == 4 else kernels[:, :, None, None], scale, packed, isa)
    biases[: len(kernels)] = bias
    biases[len(kernels) :] = 0
    return packed, biases


def arranged_size(shape: tuple[int, ...], isa: InstructionSet) -> int:
    """How many numbers a layer with kernels of this shape has once they and its bias are arranged."""
    return round_up(packed_size(shape[0], prod(shape[1:]), isa), LINE) + packed_size(shape[0], 1, isa)


def packed_size(outputs: int, kernel_size: int, isa: InstructionSet) -> int:
    """How many numbers the packed kernels of `outputs` channels have: whole registers of channels."""
    return round_up(outputs, isa.lanes) * kernel_size


def pack(kernels: np.ndarray, scale: np.ndarray, packed: np.ndarray, isa: InstructionSet) -> None:
    """Writes kernels (O, I, H, W), each times its `scale`, into `packed`, float32 (packed_size,), for the tiles.

    The kernels of a strip lie side by side, (H, W, I, channels); the last strip is filled up with zeros to whole
    registers.
    """
    rows = kernels.transpose(0, 2, 3, 1).reshape(len(kernels), -1)
    size = rows.shape[1]
    for first in range(0, len(rows), strip_channels(isa)):
        strip = slice(first, min(first + strip_channels(isa), len(rows)))
        count = strip.stop - first
        width = round_up(count, isa.lanes)
        target = packed[first * size :][: width * size].reshape(size, width)
        # In float64, but without a copy in float64: NumPy converts some thousand numbers at a time.
        np.multiply(rows[strip], scale[strip, None], out=target[:, :count].T, dtype=np.float64, casting="same_kind")
        target[:, count:] = 0
