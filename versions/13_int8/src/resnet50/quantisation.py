"""What a byte means in each layer, and how weights become bytes.

A value that flows between layers is a byte q; it stands for (q - zero point) * scale, with a scale and a zero point for
the whole value. `quantisation.json` has them, since they come from looking at pictures. A weight is a signed byte; it
stands for q * scale, with a scale for each output channel, which follows from the weights.

So a sum of products of bytes, a whole number, times both scales is the sum of the products. All arithmetic here is that
of ONNX Runtime's quantised operators, in the same order of operations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import WeightsError
from .weight_folder import read_json

COMMAND = "nox -s weights -- quantise SET --pictures FOLDER"
MOST_SCALES = 1 << 16  # bytes of quantisation.json, which has about 4,000
LEAST_SCALE, LARGEST_SCALE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
LARGEST_BYTE, LARGEST_WEIGHT = 255, 127
LARGEST_BIAS = 2**30  # leaves as much room for the products in a sum of 32 bits
MOST_PRODUCTS = (2**31 - 1 - LARGEST_BIAS) // (LARGEST_BYTE * LARGEST_WEIGHT)  # a sum in a ResNet-50 has 4608 at most
RULE = 4  # numbers that Scales.rule returns


@dataclass(frozen=True)
class Scale:
    """A byte q stands for (q - zero_point) * scale."""

    scale: np.float32
    zero_point: int

    def values(self, q: np.ndarray) -> np.ndarray:
        """What the bytes stand for, float32."""
        return (q.astype(np.int16) - np.int16(self.zero_point)) * self.scale


def read_scales(path: Path, names: Mapping[str, bool]) -> dict[str, Scale]:
    """The scales in `path`; `names`: all that it must have, and whether the zero point may differ from 0.

    Raises `WeightsError`.
    """
    try:
        found = read_json(path, MOST_SCALES)
        if not isinstance(found, dict):
            raise ValueError("it must be an object with a scale for each layer")
        if missing := names.keys() - found.keys():
            raise ValueError(f"{min(missing)} is missing; `{COMMAND}` writes all that is needed")
        if others := found.keys() - names.keys():
            raise ValueError(f"there is no layer {min(others)!r}")
        return {name: parsed(name, found[name], moved) for name, moved in names.items()}
    except FileNotFoundError as error:
        message = f"{path} is missing: this version computes with bytes, and needs to know what they mean"
        raise WeightsError(f"{message}; `{COMMAND}` writes it") from error
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise WeightsError(f"{path}: {error}") from error


def parsed(name: str, entry: object, moved: bool) -> Scale:
    """An entry of the file, checked; `moved`: whether its zero point may differ from 0."""
    if not isinstance(entry, dict) or entry.keys() != {"scale", "zero_point"}:
        raise ValueError(f"{name} must be an object with scale and zero_point")
    scale, zero_point = entry["scale"], entry["zero_point"]
    if type(scale) not in (int, float) or not LEAST_SCALE <= scale <= LARGEST_SCALE:
        raise ValueError(f"the scale of {name} must be a positive, normal float32 number")
    if type(zero_point) is not int or not 0 <= zero_point <= LARGEST_BYTE * moved:
        raise ValueError(f"the zero point of {name} must be {'a whole number from 0 to 255' if moved else '0'}")
    return Scale(np.float32(scale), zero_point)


@dataclass(frozen=True)
class Scales:
    """All that the constants of a convolution depend on: the scales of its input and of its own result.

    `own`: None if that is float32. `added`, `total`: of what it is added to, and of the sum.
    """

    x: Scale
    own: Scale | None = None
    added: Scale | None = None
    total: Scale | None = None

    def weights(self, kernels: np.ndarray, factor: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """The scale of each output channel, float32: the largest weight becomes 127, and no bias too large.

        It is 1 where float32 has no normal number for it: if all is zero, or nearly.
        `kernels`: (O, I, H, W), each multiplied by its `factor`; `factor` and `bias`: float64 (O,).
        """
        axes = tuple(range(1, kernels.ndim))
        largest = np.maximum(kernels.max(axes), -kernels.min(axes)).astype(np.float64) * np.abs(factor)
        least = np.abs(bias) / (np.float64(self.x.scale) * LARGEST_BIAS)
        scales = np.maximum(largest / LARGEST_WEIGHT, least)
        return np.where(scales >= LEAST_SCALE, scales, 1).astype(np.float32)

    def multipliers(self, weights: np.ndarray) -> np.ndarray:
        """By what the sums of each output channel are multiplied, float32; `weights`: their scales."""
        multipliers = self.x.scale * weights
        return multipliers / self.own.scale if self.own else multipliers

    def biases(self, bias: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Where the sums of each output channel begin, int32; `sums`: of its weights, each multiplied by a zero point.

        `weights`: their scales.
        """
        whole = np.rint(bias / (np.float64(self.x.scale) * weights.astype(np.float64)))
        return (whole - self.x.zero_point * sums).astype(np.int32)

    def rule(self) -> np.ndarray:
        """The result's zero point; the factors of it and of what is added, and a summand. epilogue.py says what for."""
        rule = np.zeros(RULE, np.float32)
        if self.own:
            rule[0] = self.own.zero_point
        if self.own and self.added and self.total:
            rule[1], rule[2] = self.own.scale / self.total.scale, self.added.scale / self.total.scale
            # The first product is not rounded: in ONNX Runtime the compiler made a fused multiply-add of it. In float64
            # it is exact, and so is the sum, unless one scale is two million times the other.
            moved = np.float64(rule[1]) * self.own.zero_point + rule[2] * np.float32(self.added.zero_point)
            rule[3] = np.float32(self.total.zero_point) - np.float32(moved)
        return rule


def quantised(kernels: np.ndarray, factor: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`kernels` (O, ...), each multiplied by its `factor`, as whole numbers in float64; `weights`: their scales."""
    shape = (-1, *[1] * (kernels.ndim - 1))
    values = np.multiply(kernels, factor.reshape(shape), dtype=np.float64)
    np.rint(np.divide(values, weights.reshape(shape), out=values), out=values)
    return np.clip(values, -LARGEST_WEIGHT, LARGEST_WEIGHT, out=values)


def pool_factor(x: Scale, output: Scale, pixels: int) -> np.ndarray:
    """By what a sum over `pixels` is multiplied, so that it is a mean in the scale of the output: float32 (1,)."""
    return np.array([x.scale / (output.scale * np.float32(pixels))], np.float32)
