"""Convolution: each output row is one matrix product, its patches times the kernels."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .checks import output_size, require


def conv2d(x, weight, stride, padding):
    """(height, width, channels) * (outputs, kernel_height, kernel_width, channels) -> (rows, columns, outputs).

    output[r, c, o] = sum over i, j, k of x[r * stride - padding + i, c * stride - padding + j, k] * weight[o, i, j, k];
    outside x, the input is 0. Raises `ValueError` if the shapes do not fit.
    """
    height, width, channels = x.shape
    outputs, kernel_height, kernel_width, kernel_channels = weight.shape
    require(channels == kernel_channels, f"a kernel of {kernel_channels} channels does not fit {channels} channels")
    out_height = output_size(height, kernel_height, stride, padding)
    out_width = output_size(width, kernel_width, stride, padding)
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    kernels = weight.reshape(outputs, kernel_height * kernel_width * channels).T
    output = np.empty((out_height, out_width, outputs), np.float32)
    for row in range(out_height):
        rows = padded[row * stride : row * stride + kernel_height]
        windows = sliding_window_view(rows, kernel_width, axis=1)[:, ::stride]  # (i, column, k, j)
        patches = windows.transpose(1, 0, 3, 2).reshape(out_width, -1)  # (column, i j k)
        np.dot(patches, kernels, out=output[row])
    return output
