"""A ResNet-50 in 8-bit integers, from a float32 weight set and its scales, in NumPy: plain, exact, and slow.

What it computes is what ONNX Runtime 1.32.0 computes on x86 with the same numbers, to the last bit
(integer_operators.py says how; quantised_onnx.py writes the file for it).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import numpy as np

from . import integer_operators as operators
from . import scales, sets
from .architecture import BLOCKS
from .scales import Scale

EPSILON = 1e-5  # batch norm's, PyTorch's default, with which the weights were trained
OnValue = Callable[[str, np.ndarray], None]
V = TypeVar("V")


@dataclass(frozen=True)
class Weights:
    """A convolution with its batch norm, or the last layer: int8 (outputs, ...), float32 (outputs,), int32 (outputs,).

    `bias` is in units of the input's scale * the output channel's.
    """

    values: np.ndarray
    scales: np.ndarray
    bias: np.ndarray


def convolutions() -> Iterable[tuple[str, str, str]]:
    """Each convolution, its batch norm, and the value that it is given, in the order of the network."""
    yield "conv1", "bn1", "image"
    given = "maxpool"
    for name, has_downsample in blocks():
        yield f"{name}.conv1", f"{name}.bn1", given
        yield f"{name}.conv2", f"{name}.bn2", f"{name}.relu1"
        yield f"{name}.conv3", f"{name}.bn3", f"{name}.relu2"
        if has_downsample:
            yield f"{name}.downsample.0", f"{name}.downsample.1", given
        given = f"{name}.relu3"


def blocks() -> Iterable[tuple[str, bool]]:
    """Each block's name, and whether its input is projected: `layer1.0`, True."""
    for stage, count in enumerate(BLOCKS, start=1):
        for block in range(count):
            yield f"layer{stage}.{block}", block == 0


def quantised_weights(state: Mapping[str, np.ndarray], known: Mapping[str, Scale]) -> dict[str, Weights]:
    """The weights of every convolution, with its batch norm folded into it in float64, and of `fc`."""
    layers = {name: (norm, given) for name, norm, given in convolutions()} | {"fc": (None, "avgpool")}
    return {name: _quantised(*folded(state, name, norm), known[given]) for name, (norm, given) in layers.items()}


def folded(state: Mapping[str, np.ndarray], name: str, norm: str | None) -> tuple[np.ndarray, np.ndarray]:
    """A layer's weights and bias, float64, with its batch norm, if it has one, folded into them."""
    weight = state[f"{name}.weight"].astype(np.float64)
    if norm is None:
        return weight, state[f"{name}.bias"].astype(np.float64)
    factor, summand = _batch_norm(state, norm)
    return weight * factor[:, None, None, None], summand


def _batch_norm(state: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """What a batch norm multiplies each channel by, and what it adds, float64."""
    tensors = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (state[f"{name}.{tensor}"].astype(np.float64) for tensor in tensors)
    factor = weight / np.sqrt(variance + EPSILON)
    return factor, bias - mean * factor


def _quantised(weights: np.ndarray, bias: np.ndarray, given: Scale) -> Weights:
    """Weights, float64 (outputs, ...), with a scale for each output channel: the largest becomes 127 or -127.

    The scale is larger where the bias would not fit 31 bits otherwise, so that no sum overflows; it is 1 where all is
    zero, or so small that float32 has no normal number for it.
    """
    step = np.float64(given.scale)
    flat = weights.reshape(len(weights), -1)
    least = np.maximum(np.abs(flat).max(axis=1) / 127, np.abs(bias) / (step * 2**30))
    steps = np.where(least >= np.finfo(np.float32).tiny, least, 1).astype(np.float32)
    wide = steps.astype(np.float64)
    values = np.clip(np.rint(flat / wide[:, None]), -127, 127).astype(np.int8)
    return Weights(values.reshape(weights.shape), steps, np.rint(bias / (step * wide)).astype(np.int32))


class Steps(ABC, Generic[V]):
    """The steps of the network in order, with values of the type `V`, on which the operators say what is done."""

    def __init__(self, state: Mapping[str, np.ndarray], known: Mapping[str, Scale]) -> None:
        """The network of these float32 tensors, by torchvision's names, and of a scale for each value."""
        self.scales = known
        self.weights = quantised_weights(state, known)

    @abstractmethod
    def quantise(self, image: np.ndarray) -> V:
        """The image as the first value."""

    @abstractmethod
    def convolution(self, x: V, given: str, name: str, result: str, stride: int = 1) -> V:
        """The convolution `name` of `x`, which is the value `given`, as the value `result`; with its ReLU, if any."""

    @abstractmethod
    def max_pool(self, x: V) -> V:
        """The max pooling, which keeps the scale."""

    @abstractmethod
    def add(self, a: V, of_a: str, b: V, of_b: str, result: str) -> V:
        """The residual sum of the values `of_a` and `of_b`, with its ReLU."""

    @abstractmethod
    def average_pool(self, x: V, given: str) -> V:
        """The average pooling."""

    @abstractmethod
    def linear(self, x: V) -> V:
        """The logits."""

    def walk(self, image: np.ndarray, keep: Callable[[str, V], V]) -> V:
        """The logits of an image; with `keep(name, value)` the walk goes on.

        The names are those of quantisation.json, and `relu`, which has `maxpool`'s scale.
        """
        x = keep("image", self.quantise(image))
        x = keep("relu", self.convolution(x, "image", "conv1", "maxpool", stride=2))
        x = keep("maxpool", self.max_pool(x))
        given = "maxpool"
        for name, has_downsample in blocks():
            x = self._bottleneck(x, given, name, has_downsample, keep)
            given = f"{name}.relu3"
        return self.linear(keep("avgpool", self.average_pool(x, given)))

    def _bottleneck(self, x: V, given: str, name: str, has_downsample: bool, keep: Callable[[str, V], V]) -> V:
        """A block; `given` is the name of the value `x`."""
        relu1, relu2, bn3, projected, relu3 = (
            f"{name}.{part}" for part in ("relu1", "relu2", "bn3", "downsample.1", "relu3")
        )
        stride = 2 if has_downsample and name != "layer1.0" else 1
        y = keep(relu1, self.convolution(x, given, f"{name}.conv1", relu1))
        y = keep(relu2, self.convolution(y, relu1, f"{name}.conv2", relu2, stride))
        y = keep(bn3, self.convolution(y, relu2, f"{name}.conv3", bn3))
        if has_downsample:
            x = keep(projected, self.convolution(x, given, f"{name}.downsample.0", projected, stride))
            given = projected
        return keep(relu3, self.add(y, bn3, x, given, relu3))


class QuantisedNetwork(Steps[np.ndarray]):
    """The network on bytes."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The network of the weight set in `folder`, which has a quantisation.json. Raises `WeightSetError`."""
        state, _ = sets.load(folder)
        return cls(state, scales.read(folder))

    def __call__(self, image: np.ndarray, on_value: OnValue | None = None) -> np.ndarray:
        """The logits, float32 (classes,), of a normalised image, float32 (H, W, 3); all NaN if it is not finite.

        `on_value(name, bytes)` is told of every value that `walk` names.
        """
        if not np.isfinite(image).all():
            return np.full(len(self.weights["fc"].bias), np.nan, np.float32)

        def keep(name: str, value: np.ndarray) -> np.ndarray:
            if on_value:
                on_value(name, value)
            return value

        return self.walk(image, keep)

    def quantise(self, image: np.ndarray) -> np.ndarray:
        return operators.quantise(image, self.scales["image"])

    def convolution(self, x: np.ndarray, given: str, name: str, result: str, stride: int = 1) -> np.ndarray:
        """As bytes of the value `result`; a ReLU is saturation at 0."""
        weights, of_x, to = self.weights[name], self.scales[given], self.scales[result]
        sums = operators.convolution(x, of_x.zero_point, weights.values, weights.bias, stride)
        return operators.requantise(sums, operators.multiplier(of_x, weights.scales, to), to)

    def max_pool(self, x: np.ndarray) -> np.ndarray:
        return operators.max_pool(x)

    def add(self, a: np.ndarray, of_a: str, b: np.ndarray, of_b: str, result: str) -> np.ndarray:
        return operators.add(a, self.scales[of_a], b, self.scales[of_b], self.scales[result])

    def average_pool(self, x: np.ndarray, given: str) -> np.ndarray:
        return operators.average_pool(x, self.scales[given], self.scales["avgpool"])

    def linear(self, x: np.ndarray) -> np.ndarray:
        fc = self.weights["fc"]
        return operators.linear(x, self.scales["avgpool"], fc.values, fc.scales, fc.bias)
