"""Fully connected layer: every output sees every input."""

import numpy as np

from .checks import require


def linear(x, weight, bias):
    """(inputs,), (outputs, inputs) and (outputs,) -> (outputs,): weight @ x + bias.

    Raises `ValueError` if the shapes do not fit.
    """
    inputs, outputs = len(x), len(bias)
    require(weight.shape == (outputs, inputs), f"weight {weight.shape} cannot take {inputs} to {outputs}")
    return np.dot(weight, x) + bias
