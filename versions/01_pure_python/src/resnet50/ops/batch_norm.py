"""Batch normalisation with the statistics of the training set: each channel to mean 0 and variance 1, then rescaled."""

from math import sqrt

from .checks import require
from .tensor import tensor

EPSILON = 1e-5  # PyTorch's default, with which the weights were trained


def batch_norm(x, weight, bias, mean, variance):
    """(height, width, channels) and four vectors (channels,) -> (height, width, channels).

    output = (x - mean) / sqrt(variance + 1e-5) * weight + bias, in each channel (Ioffe and Szegedy, 2015).
    Raises `ValueError` if the shapes do not fit.
    """
    height, width, channels = x.shape
    require(all(len(each) == channels for each in (weight, bias, mean, variance)), "batch norm's channels differ")
    channel_scales = [w / sqrt(v + EPSILON) for w, v in zip(weight.tolist(), variance.tolist())]
    channel_means, channel_biases = mean.tolist(), bias.tolist()
    normalised = []
    for row in x.tolist():
        for pixel in row:
            for value, scale, m, b in zip(pixel, channel_scales, channel_means, channel_biases):
                normalised.append((value - m) * scale + b)
    return tensor(normalised, height, width, channels)
