"""How far the values of a network in 8-bit integers can be from those of the network that it stands for.

`BoundedNetwork` walks the network in float64, with the float32 weights as they are, and carries beside each value the
most by which its bytes can miss it, which is a promise, and how far they are expected to miss it, which supposes that
small errors add up and that no two roundings depend on each other. README.md derives both ("How far from float32").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from . import integer_operators as operators
from .quantised import QuantisedNetwork, Steps, Weights, convolutions, folded
from .scales import Scale, is_signed

UNIT = 2.0**-24  # what rounding to float32 changes at most, relative to the number
# Steps of a byte's scale: what rounding the sum and its product with the multiplier changes, of a result up to 256.
TWICE = 2 * UNIT * 256
LARGEST_BYTE = 255


@dataclass(frozen=True)
class Value:
    """A value of the network, float64 (..., height, width, channels) or (..., channels).

    `exact`: without any rounding; `most`: what its bytes stand for is no further away. `shift`: how far away it is
    expected to be because weights were rounded and values cut off; `power`: the variance of what comes on top, because
    bytes were rounded.
    """

    exact: np.ndarray
    most: np.ndarray
    shift: np.ndarray
    power: np.ndarray

    @property
    def square(self) -> np.ndarray:
        """The square of how far away it is expected to be."""
        return self.shift**2 + self.power

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> "Value":
        """The same with all four arrays changed."""
        return Value(change(self.exact), change(self.most), change(self.shift), change(self.power))

    def share(self, found: np.ndarray) -> float:
        """The largest share of its bound that an error has, if the bytes stand for `found`; above 1 it is broken."""
        error = np.abs(found - self.exact)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.where(error == 0, 0, error / self.most).max())

    @classmethod
    def without_error(cls, exact: np.ndarray) -> Self:
        """Numbers that are exactly what the bytes stand for."""
        zero = np.zeros_like(exact)
        return cls(exact, zero, zero, zero)


class BoundedNetwork(Steps[Value]):
    """The network of these float32 tensors, with bounds on what these scales do to it."""

    def __init__(self, state: Mapping[str, np.ndarray], known: Mapping[str, Scale]) -> None:
        super().__init__(state, known)
        self.state = state
        self.norms = {name: norm for name, norm, _ in convolutions()}

    def follow(self, images: np.ndarray, found: Mapping[str, np.ndarray] | None = None) -> dict[str, Value]:
        """Every value of finite images, float32 (..., H, W, 3), by its name, and the logits, `fc`.

        `found`: what the bytes of the values stand for, from `numbers`. If it is given, each step works on these, and
        its bound is on the error that it adds; else errors add up from the image on.
        """
        values: dict[str, Value] = {}

        def keep(name: str, value: Value) -> Value:
            values[name] = value
            return Value.without_error(found[name]) if found else value

        values["fc"] = self.walk(images, keep)
        return values

    def quantise(self, image: np.ndarray) -> Value:
        return rounded(Value.without_error(image.astype(np.float64)), self.scales["image"], relu=False)

    def convolution(self, x: Value, given: str, name: str, result: str, stride: int = 1) -> Value:
        to = self.scales[result]
        factor = operators.multiplier(self.scales[given], self.weights[name].scales, to).astype(np.float64)
        kernel, bias = folded(self.state, name, self.norms[name])
        sums = weighted(x, kernel, bias, acting(self.weights[name], factor * to.scale, self.scales[given]), stride)
        return rounded(sums, to, relu=not is_signed(result))

    def max_pool(self, x: Value) -> Value:
        seen = x.each(operators.pool_windows)
        largest = seen.exact.argmax(axis=0)[None]
        shift, power = (np.take_along_axis(part, largest, axis=0)[0] for part in (seen.shift, seen.power))
        return Value(seen.exact.max(axis=0), seen.most.max(axis=0), shift, power)

    def add(self, a: Value, of_a: str, b: Value, of_b: str, result: str) -> Value:
        given, other, to = (self.scales[name] for name in (of_a, of_b, result))
        ra, rb, fixed = map(np.float64, operators.sum_factors(given, other, to))
        step = np.float64(to.scale)
        for_a, for_b = ra * step / given.scale, rb * step / other.scale  # nearly 1
        moved = (ra * given.zero_point + rb * other.zero_point + fixed - to.zero_point) * step  # nearly 0
        change = (for_a - 1) * a.exact + (for_b - 1) * b.exact + moved
        total = Value(
            a.exact + b.exact,
            np.abs(change) + for_a * a.most + for_b * b.most,
            change + for_a * a.shift + for_b * b.shift,
            for_a**2 * a.power + for_b**2 * b.power,
        )
        inner = rb * LARGEST_BYTE + abs(fixed)  # the larger fma is at most 256, or saturates
        return rounded(total, to, relu=True, slack=UNIT * (inner + 256))

    def average_pool(self, x: Value, given: str) -> Value:
        of_x, to, count = self.scales[given], self.scales["avgpool"], x.exact.shape[-3] * x.exact.shape[-2]
        factor = np.float64(operators.average_factor(of_x, to, count)) * to.scale / of_x.scale
        sums = x.each(lambda part: part.sum(axis=(-3, -2)))
        change = (factor - 1 / count) * sums.exact
        most, shift = np.abs(change) + factor * sums.most, change + factor * sums.shift
        return rounded(Value(sums.exact / count, most, shift, factor**2 * sums.power), to, relu=True)

    def linear(self, x: Value) -> Value:
        of_x, fc = self.scales["avgpool"], self.weights["fc"]
        factor = (of_x.scale * fc.scales).astype(np.float64)
        kernel, bias = folded(self.state, "fc", None)
        pixel = x.each(lambda part: part[..., None, None, :])
        found = weighted(pixel, kernel[:, :, None, None], bias, acting(fc, factor, of_x), 1)
        logits = found.each(lambda part: part[..., 0, 0, :])
        twice = (1 + UNIT) ** 2 - 1  # the sum is rounded, and its product with the factor
        return replace(logits, most=logits.most + twice * (np.abs(logits.exact) + logits.most))


def numbers(network: QuantisedNetwork, images: np.ndarray) -> dict[str, np.ndarray]:
    """What the bytes of every value stand for, float64, by name, and the logits, `fc`, for finite images."""
    found: dict[str, np.ndarray] = {}

    def look(name: str, value: np.ndarray) -> None:
        scale = network.scales["maxpool" if name == "relu" else name]
        found[name] = (value.astype(np.float64) - scale.zero_point) * np.float64(scale.scale)

    found["fc"] = network(images, look).astype(np.float64)
    return found


def acting(weights: Weights, factor: np.ndarray, of_x: Scale) -> tuple[np.ndarray, np.ndarray]:
    """The weights (outputs, channels, side, side) and biases, float64, that a layer on bytes really applies.

    `factor`: what an output channel's sums are multiplied by to be numbers.
    """
    values = weights.values.reshape(*weights.values.shape, *[1] * (4 - weights.values.ndim))
    return values * (factor / of_x.scale)[:, None, None, None], weights.bias * factor


def weighted(
    x: Value, kernel: np.ndarray, bias: np.ndarray, applied: tuple[np.ndarray, np.ndarray], stride: int
) -> Value:
    """A convolution before its result is rounded. `applied`: the weights and biases in place of `kernel` and `bias`."""
    weights, biases = applied
    exact = operators.correlation(x.exact, kernel, stride) + bias
    shift = operators.correlation(x.exact, weights - kernel, stride) + (biases - bias)
    if not x.most.any():
        return Value(exact, np.abs(shift), shift, np.zeros_like(shift))
    most = np.abs(shift) + operators.correlation(x.most, np.abs(weights), stride)
    shift += operators.correlation(x.shift, weights, stride)
    return Value(exact, most, shift, operators.correlation(x.power, weights**2, stride))


def rounded(x: Value, to: Scale, relu: bool, slack: float = TWICE) -> Value:
    """The value as bytes: rounded to a step of the scale, and cut off where the bytes end.

    `relu`: what is negative becomes 0 first. `slack`: how many steps a result within reach of the bytes may have been
    off before it was rounded to a byte, by rounding to float32.
    """
    step = np.float64(to.scale)
    low, high = -to.zero_point * step, (LARGEST_BYTE - to.zero_point) * step
    exact = np.maximum(x.exact, 0) if relu else x.exact
    cut = np.clip(exact, low, high) - exact
    most = x.most + (0.5 + slack) * step + np.abs(cut)
    moves = (cut == 0) & (exact > 0) if relu else cut == 0  # else the byte is expected to be the last one, or 0
    shift, power = np.where(moves, x.shift, cut), np.where(moves, x.power + step**2 / 12, 0)
    return Value(exact, np.minimum(most, np.maximum(exact - low, high - exact)), shift, power)
