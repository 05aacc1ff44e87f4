"""A ResNet-50 in 8-bit integers, from a float32 weight set and its scales, in NumPy: plain, exact, and slow.

What it computes is what ONNX Runtime 1.32.0 computes on x86 with the same numbers, to the last bit
(integer_operators.py says how; quantised_onnx.py writes the file for it).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from . import integer_operators as operators
from . import scales, sets
from .architecture import BLOCKS
from .scales import Scale

EPSILON = 1e-5  # batch norm's, PyTorch's default, with which the weights were trained
OnValue = Callable[[str, np.ndarray], None]


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
    result = {}
    for name, norm, given in convolutions():
        factor, summand = _batch_norm(state, norm)
        kernel = state[f"{name}.weight"].astype(np.float64) * factor[:, None, None, None]
        result[name] = _quantised(kernel, summand, known[given])
    weight, bias = (state[f"fc.{tensor}"].astype(np.float64) for tensor in ("weight", "bias"))
    result["fc"] = _quantised(weight, bias, known["avgpool"])
    return result


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


class QuantisedNetwork:
    """The network of these float32 tensors, by torchvision's names, and of a scale for each value."""

    def __init__(self, state: Mapping[str, np.ndarray], known: Mapping[str, Scale]) -> None:
        self.scales = known
        self.weights = quantised_weights(state, known)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The network of the weight set in `folder`, which has a quantisation.json. Raises `WeightSetError`."""
        state, _ = sets.load(folder)
        return cls(state, scales.read(folder))

    def __call__(self, image: np.ndarray, on_value: OnValue | None = None) -> np.ndarray:
        """The logits, float32 (classes,), of a normalised image, float32 (H, W, 3); all NaN if it is not finite.

        `on_value(name, bytes)` is told of every value in quantisation.json, and of `relu`, which has `maxpool`'s scale.
        """
        if not np.isfinite(image).all():
            return np.full(len(self.weights["fc"].bias), np.nan, np.float32)
        tell = on_value or (lambda name, value: None)
        tell("image", x := operators.quantise(image, self.scales["image"]))
        tell("relu", x := self._convolution(x, "image", "conv1", "maxpool", stride=2))
        tell("maxpool", x := operators.max_pool(x))
        given = "maxpool"
        for name, _ in blocks():
            x = self._bottleneck(x, given, name, tell)
            given = f"{name}.relu3"
        tell("avgpool", x := operators.average_pool(x, self.scales[given], self.scales["avgpool"]))
        fc = self.weights["fc"]
        return operators.linear(x, self.scales["avgpool"], fc.values, fc.scales, fc.bias)

    def _bottleneck(self, x: np.ndarray, given: str, name: str, tell: OnValue) -> np.ndarray:
        """A block; `given` is the name of the value `x`, whose scale it has."""
        relu1, relu2, bn3, projected, relu3 = (
            f"{name}.{part}" for part in ("relu1", "relu2", "bn3", "downsample.1", "relu3")
        )
        stride = 2 if name.endswith(".0") and name != "layer1.0" else 1
        tell(relu1, y := self._convolution(x, given, f"{name}.conv1", relu1))
        tell(relu2, y := self._convolution(y, relu1, f"{name}.conv2", relu2, stride))
        tell(bn3, y := self._convolution(y, relu2, f"{name}.conv3", bn3))
        if f"{name}.downsample.0" in self.weights:
            tell(projected, x := self._convolution(x, given, f"{name}.downsample.0", projected, stride))
            given = projected
        tell(relu3, y := operators.add(y, self.scales[bn3], x, self.scales[given], self.scales[relu3]))
        return y

    def _convolution(self, x: np.ndarray, given: str, name: str, result: str, stride: int = 1) -> np.ndarray:
        """The convolution `name` of the value `given`, as bytes of the value `result`; a ReLU is saturation at 0."""
        weights, of_x, to = self.weights[name], self.scales[given], self.scales[result]
        sums = operators.convolution(x, of_x.zero_point, weights.values, weights.bias, stride)
        return operators.requantise(sums, operators.multiplier(of_x, weights.scales, to), to)
