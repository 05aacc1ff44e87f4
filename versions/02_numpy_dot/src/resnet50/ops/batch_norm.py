"""Batch normalisation with the statistics of the training set: each channel to mean 0 and variance 1, then rescaled."""

import numpy as np

from .checks import require

EPSILON = 1e-5  # PyTorch's default, with which the weights were trained


def batch_norm(x, weight, bias, mean, variance):
    """(height, width, channels) and four vectors (channels,) -> (height, width, channels).

    output = (x - mean) / sqrt(variance + 1e-5) * weight + bias, in each channel (Ioffe and Szegedy, 2015).
    Raises `ValueError` if the shapes do not fit.
    """
    channels = x.shape[2]
    require(all(len(each) == channels for each in (weight, bias, mean, variance)), "batch norm's channels differ")
    return (x - mean) * (weight / np.sqrt(variance + EPSILON)) + bias
