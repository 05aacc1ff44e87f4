"""Kernels in strips, as the vector instructions load them."""

import numpy as np

from .memory import aligned

STRIP = 64  # output channels that a convolution sums at once


def arrange(tensor: np.ndarray, memory: np.ndarray | None = None) -> np.ndarray:
    """From the file's layout to the operators': kernels (O, I, H, W) -> (O, H, W, I), matrices as they are.

    Then every 64 kernels, or rows of a matrix, are laid side by side, number by number: what the operators load into
    the lanes of a register is then contiguous. Those that do not fill a strip of 64 stay one after the other.

    The result is in `memory`, a float32 array of as many numbers, or in memory of its own.
    """
    if memory is None:
        memory = aligned(tensor.size)
    if tensor.ndim not in (2, 4):
        memory[:] = tensor.ravel()
        return memory.reshape(tensor.shape)
    kernels = tensor.transpose(0, 2, 3, 1) if tensor.ndim == 4 else tensor
    rows = kernels.reshape(len(kernels), -1)
    outputs, size = rows.shape
    filled = outputs // STRIP
    arranged = memory.reshape(rows.shape)
    strips = arranged[: filled * STRIP].reshape(filled, size, STRIP)
    strips[...] = rows[: filled * STRIP].reshape(filled, STRIP, size).transpose(0, 2, 1)
    arranged[filled * STRIP :] = rows[filled * STRIP :]
    return arranged.reshape(kernels.shape)
