"""Convolution: each output pixel is a sum over the window of input pixels around it."""

from .checks import output_size, require
from .tensor import tensor


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
    pixels, kernels = x.tolist(), weight.tolist()
    sums = []
    for top in range(-padding, out_height * stride - padding, stride):
        rows = [i for i in range(kernel_height) if 0 <= top + i < height]
        for left in range(-padding, out_width * stride - padding, stride):
            columns = [j for j in range(kernel_width) if 0 <= left + j < width]
            for kernel in kernels:
                total = 0.0
                for i in rows:
                    for j in columns:
                        for value, factor in zip(pixels[top + i][left + j], kernel[i][j]):
                            total += value * factor
                sums.append(total)
    return tensor(sums, out_height, out_width, outputs)
