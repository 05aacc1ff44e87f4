"""This version as the tests see it: how its operators are called, and how accurate it is."""

import numpy as np
from resnet50 import ops
from resnet50.weights import arrange

FUSED = False  # `on_layer` is told of every layer, not only of the last of each step
TOLERANCE = 2e-5  # promised for every layer of a network: error / largest value of the layer
EVERY_WIDTH = True  # the tests try each kernel, stride and padding of a convolution with every number of channels


def prepare():
    """Does once what a test must do before it loads a network: nothing."""


def run_op(name, *tensors, **settings):
    """Calls the operator `name` on arrays in the weight file's layout; returns an array."""
    return np.asarray(getattr(ops, name)(*(arrange(tensor) for tensor in tensors), **settings))
