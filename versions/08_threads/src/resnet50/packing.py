"""Kernels packed for register tiles, as the generated C loads them."""

from math import prod

import numpy as np

from .instruction_sets import InstructionSet
from .memory import aligned
from .rounding import round_up
from .tiles import strip_channels


def arrange(tensor: np.ndarray, isa: InstructionSet, memory: np.ndarray | None = None) -> np.ndarray:
    """From the file's layout to the operators': kernels and matrices packed for register tiles, vectors as they are.

    The result is in `memory`, `arranged_size` float32 numbers, or in memory of its own.
    """
    if memory is None:
        memory = aligned(arranged_size(tensor.shape, isa))
    if tensor.ndim == 1:
        memory[:] = tensor
        return memory
    kernels = tensor if tensor.ndim == 4 else tensor[:, :, None, None]  # a matrix holds kernels of 1 x 1
    pack(kernels, memory, isa)
    return memory


def arranged_size(shape: tuple[int, ...], isa: InstructionSet) -> int:
    """How many numbers a tensor of this shape has once it is arranged."""
    return shape[0] if len(shape) == 1 else packed_size(shape[0], prod(shape[1:]), isa)


def packed_size(outputs: int, kernel_size: int, isa: InstructionSet) -> int:
    """How many numbers the packed kernels of `outputs` channels have: whole registers of channels."""
    return round_up(outputs, isa.lanes) * kernel_size


def pack(kernels: np.ndarray, packed: np.ndarray, isa: InstructionSet) -> None:
    """Writes kernels (O, I, H, W) into `packed`, float32 (packed_size,), in the order in which the tiles read them.

    The kernels of a strip lie side by side, (H, W, I, channels); the last strip is filled up with zeros to whole
    registers.
    """
    rows = kernels.transpose(0, 2, 3, 1).reshape(len(kernels), -1)
    size = rows.shape[1]
    for first in range(0, len(rows), strip_channels(isa)):
        strip = rows[first : first + strip_channels(isa)]
        width = round_up(len(strip), isa.lanes)
        target = packed[first * size :][: width * size].reshape(size, width)
        target[:, : len(strip)] = strip.T
        target[:, len(strip) :] = 0
