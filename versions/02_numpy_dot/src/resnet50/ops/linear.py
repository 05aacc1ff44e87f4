"""Fully connected layer: every output sees every input."""

import numpy as np

from .checks import require


def linear(x, weight, bias):
    """(inputs,), (outputs, inputs) and (outputs,) -> (outputs,): weight @ x + bias.

    Raises `ValueError` if the shapes do not fit.
    """
    inputs, outputs = len(x), len(bias)
    require(weight.shape == (outputs, inputs), f"weight {weight.shape} does not map {inputs} inputs to {outputs}")
    # One product per output: in a whole matrix product a BLAS library sums the last rows in another order, so that two
    # classes with equal weights would differ.
    return np.array([np.dot(factors, x) for factors in weight]) + bias
