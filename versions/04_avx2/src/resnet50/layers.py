"""The layers of the network as operators on tensors: what `forward` walks over when a picture is named."""

from collections.abc import Callable
from time import perf_counter

from . import ops
from .weights import Weights, batch_norm_tensors

OnLayer = Callable[[str, object, float], object]


class Layers:
    """Runs each layer's operator on tensors, with the layer's weights, and calls `on_layer`."""

    def __init__(self, weights: Weights, on_layer: OnLayer | None) -> None:
        self.weights = weights
        self.on_layer = on_layer
        self.start = perf_counter()

    def conv2d(self, x, name, kernel, stride=1, padding=0):
        return self.done(name, ops.conv2d(x, self.weights[f"{name}.weight"], stride, padding))

    def batch_norm(self, x, name):
        weight, bias, mean, variance = (self.weights[tensor] for tensor in batch_norm_tensors(name))
        return self.done(name, ops.batch_norm(x, weight, bias, mean, variance))

    def relu(self, x, name):
        return self.done(name, ops.relu(x))

    def max_pool(self, x, name, kernel, stride, padding):
        return self.done(name, ops.max_pool(x, kernel, stride, padding))

    def average_pool(self, x, name):
        return self.done(name, ops.average_pool(x))

    def add(self, x, y, name):
        return self.done(name, ops.add(x, y))

    def linear(self, x, name):
        return self.done(name, ops.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]))

    def done(self, name, output):
        """Calls `on_layer` for the layer that has just finished; its time includes reading its weights."""
        if self.on_layer is not None:
            self.on_layer(name, output, perf_counter() - self.start)
            self.start = perf_counter()
        return output
