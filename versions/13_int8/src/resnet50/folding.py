"""Batch norm folded into the convolution before it, in float64.

With the statistics of the training set, batch norm multiplies each channel by a number and adds another. So does a
convolution whose kernels have been multiplied by the one and whose bias is the other.
"""

from collections.abc import Sequence

import numpy as np

EPSILON = 1e-5  # PyTorch's default, with which the weights were trained


def batch_norm_tensors(name: str) -> tuple[str, str, str, str]:
    """The names of a batch norm's four tensors, in the order in which `scale_and_bias` expects them."""
    return f"{name}.weight", f"{name}.bias", f"{name}.running_mean", f"{name}.running_var"


def scale_and_bias(tensors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A batch norm's factor and summand, float64 (channels,): (x - mean) / sqrt(variance + eps) * weight + bias."""
    weight, bias, mean, variance = (tensor.astype(np.float64) for tensor in tensors)
    scale = weight / np.sqrt(variance + EPSILON)
    return scale, bias - mean * scale
