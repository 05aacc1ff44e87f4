"""Kernels packed for register tiles, and constants, as the generated C loads them: all in numbers of four bytes."""

from math import prod

import numpy as np

from .instruction_sets import InstructionSet
from .memory import LINE, aligned
from .quantisation import RULE, Scales, quantised
from .rounding import ceil_div, round_up
from .tiles import QUAD, strip_channels


def arrange(
    kernels: np.ndarray,
    factor: np.ndarray,
    bias: np.ndarray,
    scales: Scales,
    isa: InstructionSet,
    memory: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's kernels, each times its `factor`, as bytes in the generated C's layout, and the layer's constants.

    Both are in `memory`, `arranged_size` numbers, or in memory of its own. `kernels`: (O, I, H, W), or a matrix (O, I),
    whose rows are kernels of 1 x 1; `factor` and `bias`: (O,), float64.
    """
    kernels = kernels if kernels.ndim == 4 else kernels[:, :, None, None]
    if memory is None:
        memory = aligned(arranged_size(kernels.shape, isa))
    size = packed_size(len(kernels), quads(kernels.shape), isa)
    packed, constants = memory[:size], memory[round_up(size, LINE) :]
    weights = scales.weights(kernels, factor, bias)
    sums = pack(kernels, factor, weights, packed, isa)
    biases, multipliers = scales.biases(bias, weights, sums), scales.multipliers(weights)
    constants[:] = 0
    for first in range(0, len(kernels), strip_channels(isa)):
        count = min(strip_channels(isa), len(kernels) - first)
        width = round_up(count, isa.lanes)
        target = constants[constants_size(first, isa) :]
        target[:count].view(np.int32)[:] = biases[first : first + count]
        target[width : width + count] = multipliers[first : first + count]
        target[2 * width : 2 * width + RULE] = scales.rule()
    return packed, constants


def arranged_size(shape: tuple[int, ...], isa: InstructionSet) -> int:
    """How many numbers a layer with kernels of this shape has once they and its constants are arranged."""
    return round_up(packed_size(shape[0], quads(shape), isa), LINE) + constants_size(shape[0], isa)


def quads(shape: tuple[int, ...]) -> int:
    """How many quads of weights a kernel has; `shape`: (O, I, H, W) or (O, I)."""
    return ceil_div(shape[1], QUAD) * prod(shape[2:])


def packed_size(outputs: int, kernel_size: int, isa: InstructionSet) -> int:
    """How many numbers the packed kernels of `outputs` channels have: whole registers of channels."""
    return round_up(outputs, isa.lanes) * kernel_size


def constants_size(outputs: int, isa: InstructionSet) -> int:
    """How many numbers the constants of `outputs` channels have.

    For each strip: where the sums begin, int32, and their multipliers, float32, for whole registers of channels; and a
    cache line for the rule, which is the same for all channels.
    """
    return 2 * round_up(outputs, isa.lanes) + LINE * ceil_div(outputs, strip_channels(isa))


def pack(
    kernels: np.ndarray, factor: np.ndarray, weights: np.ndarray, packed: np.ndarray, isa: InstructionSet
) -> np.ndarray:
    """Writes kernels (O, I, H, W), as `quantised` makes them, into `packed`, (packed_size,), for the tiles.

    The kernels of a strip lie side by side, (H, W, quads, channels, 4); the last quad and the last strip are filled up
    with zeros. Returns the sum of each kernel, (O,).
    """
    outputs, channels, *window = kernels.shape
    size, sums = quads(kernels.shape), np.zeros(outputs)
    rows = kernels.transpose(0, 2, 3, 1)
    for first in range(0, outputs, strip_channels(isa)):
        strip = slice(first, min(first + strip_channels(isa), outputs))
        count = strip.stop - first
        width = round_up(count, isa.lanes)
        values = quantised(rows[strip], factor[strip], weights[strip])
        sums[strip] = values.sum((1, 2, 3))
        whole = np.zeros((width, *window, round_up(channels, QUAD)), np.int8)
        whole[:count, ..., :channels] = values
        target = packed[first * size :][: width * size].view(np.int8).reshape(size, width, QUAD)
        target[:] = whole.reshape(width, size, QUAD).transpose(1, 0, 2)
    return sums
