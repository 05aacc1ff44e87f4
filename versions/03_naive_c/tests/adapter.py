"""What a version changes for the tests: how its operators are called, and how exact it is."""

import numpy as np
from resnet50 import ops
from resnet50.weights import arrange

TOLERANCE = 2e-5  # what this version promises for a whole network: error / largest value of the layer
EVERY_WIDTH = True  # try each kernel, stride and padding of a convolution with every number of channels


def prepare():
    """What has to be done once before a network is loaded: nothing."""


def run_op(name, *tensors, **settings):
    """Calls the operator `name` on arrays in the weight file's layout and returns an array."""
    return np.asarray(getattr(ops, name)(*(arrange(tensor) for tensor in tensors), **settings))
