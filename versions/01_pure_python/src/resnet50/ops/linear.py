"""Fully connected layer: every output sees every input."""

from .checks import require
from .tensor import tensor


def linear(x, weight, bias):
    """(inputs,), (outputs, inputs) and (outputs,) -> (outputs,): weight @ x + bias.

    Raises `ValueError` if the shapes do not fit.
    """
    inputs, outputs = len(x), len(bias)
    require(weight.shape == (outputs, inputs), f"weight {weight.shape} does not map {inputs} inputs to {outputs}")
    values = x.tolist()
    sums = []
    for factors, offset in zip(weight.tolist(), bias.tolist()):
        total = 0.0
        for value, factor in zip(values, factors):
            total += value * factor
        sums.append(total + offset)
    return tensor(sums, outputs)
