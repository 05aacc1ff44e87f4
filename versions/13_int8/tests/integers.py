"""The quantised network in whole numbers, written to be plainly correct: the reference for the version under test.

A value is an array of bytes with its scale and zero point. Sums are exact, in int64. What is rounded is rounded as ONNX
Runtime's operators round it, in float32.
"""

from fractions import Fraction

import numpy as np
import reference
from adapter import Value
from conftest import quantisation

NORM = ("weight", "bias", "running_mean", "running_var")


def real(value):
    """The float32 numbers that the bytes stand for."""
    return (value.q - value.zero_point).astype(np.float32) * value.scale


def clipped(whole):
    """Kept between 0 and 255."""
    return np.clip(whole, 0, 255).astype(np.int64)


def fused(a, b, c):
    """a * b + c, rounded once; `a` whole numbers, `b` and `c` float32.

    The product has 32 bits at most. The sum is rounded to float64 and then to float32, which is as if it were rounded
    once, except where the first rounding makes a tie of it: there it is done in fractions.
    """
    exact = a.astype(np.float64) * np.float64(b)
    total = exact + np.float64(c)
    rounded = total.astype(np.float32)
    last_bits = total.view(np.int64) & ((1 << 29) - 1)  # those that float32 has no room for
    for place in zip(*np.nonzero(last_bits == 1 << 28), strict=True):
        wanted = Fraction(float(exact[place])) + Fraction(float(np.broadcast_to(c, exact.shape)[place]))
        rounded[place] = nearest(rounded[place], wanted)
    return rounded


def nearest(number, wanted):
    """The float32 number next to `number` that is closest to the fraction `wanted`; of two, the one that is even."""
    below, above = (np.nextafter(number, np.float32(side)) for side in (-np.inf, np.inf))
    return min(
        (below, number, above), key=lambda one: (abs(Fraction(float(one)) - wanted), int(one.view(np.int32)) & 1)
    )


def quantise(x, scale, zero_point):
    """float32 numbers as bytes."""
    with np.errstate(over="ignore"):
        return Value(clipped(np.rint(x / np.float32(scale)) + zero_point), np.float32(scale), zero_point)


def weight_scales(weight, factor, bias, x_scale):
    """The scale of each output channel, float32."""
    made = weight.astype(np.float64) * factor.reshape(-1, *[1] * (weight.ndim - 1))
    largest = np.abs(made).reshape(len(weight), -1).max(1)
    scales = np.maximum(largest / 127, np.abs(bias) / (np.float64(x_scale) * 2**30))
    scales[scales < 2.0**-126] = 1
    return made, scales.astype(np.float32)


def sums(x, weight, factor, bias, stride=1, padding=0):
    """The exact sums of a convolution, of whole numbers, and the scales of the weights."""
    made, scales = weight_scales(weight, factor, bias, x.scale)
    whole = np.clip(np.rint(made / scales.astype(np.float64).reshape(-1, 1, 1, 1)), -127, 127)
    products = reference.conv2d(x.q - x.zero_point, whole, stride, padding)  # exact in float64: far below 2^53
    return products.astype(np.int64) + np.rint(bias / (np.float64(x.scale) * scales)).astype(np.int64), scales


def convolution(x, weight, factor, bias, scale, zero_point, stride=1, padding=0):
    """A convolution and its requantisation."""
    total, weights = sums(x, weight, factor, bias, stride, padding)
    multiplier = x.scale * weights / np.float32(scale)
    value = total.astype(np.float32) * multiplier
    value = np.minimum(np.maximum(value, np.float32(-zero_point)), np.float32(255 - zero_point))
    return Value(np.rint(value).astype(np.int64) + zero_point, np.float32(scale), zero_point)


def add(a, b, scale, zero_point=0):
    """The sum of two values."""
    factor_a, factor_b = a.scale / np.float32(scale), b.scale / np.float32(scale)
    [moved] = fused(np.array([a.zero_point]), factor_a, factor_b * np.float32(b.zero_point))
    inner = fused(b.q, factor_b, np.float32(zero_point) - moved)
    return Value(clipped(np.rint(fused(a.q, factor_a, inner))), np.float32(scale), zero_point)


def max_pool(x, kernel, stride, padding):
    """The largest in each window."""
    return x._replace(q=reference.max_pool(x.q, kernel, stride, padding).astype(np.int64))


def average_pool(x, scale):
    """The mean over all pixels."""
    factor = x.scale / (np.float32(scale) * np.float32(x.q.shape[0] * x.q.shape[1]))
    total = (x.q - x.zero_point).sum((0, 1)).astype(np.float32)
    return Value(clipped(np.rint(total * factor)), np.float32(scale), 0)


def linear(x, weight, bias):
    """float32 logits."""
    x = x._replace(q=x.q[None, None])
    total, scales = sums(x, weight[:, :, None, None], np.ones(len(weight)), bias.astype(np.float64))
    return total[0, 0].astype(np.float32) * (x.scale * scales)


def network(tensors, image):
    """{layer name: float32 output} of every step in order; `tensors` has torchvision's names."""
    scales = {name: (each["scale"], each["zero_point"]) for name, each in quantisation().items()}
    outputs = {}

    def folded(name):
        weight, bias, mean, variance = (tensors[f"{name}.{part}"].astype(np.float64) for part in NORM)
        factor = weight / np.sqrt(variance + 1e-5)
        return factor, bias - mean * factor

    def conv(x, name, norm, scale, stride=1, padding=0):
        return convolution(x, tensors[f"{name}.weight"], *folded(norm), *scales[scale], stride, padding)

    def keep(name, value):
        outputs[name] = real(value)
        return value

    x = quantise(image, *scales["image"])
    x = keep("maxpool", max_pool(conv(x, "conv1", "bn1", "maxpool", 2, 3), 3, 2, 1))
    for stage, blocks in reference.BLOCKS.items():
        for block in range(blocks):
            name, stride = f"{stage}.{block}", 2 if block == 0 and stage != "layer1" else 1
            y = keep(f"{name}.relu1", conv(x, f"{name}.conv1", f"{name}.bn1", f"{name}.relu1"))
            y = keep(f"{name}.relu2", conv(y, f"{name}.conv2", f"{name}.bn2", f"{name}.relu2", stride, 1))
            if block == 0:
                shortcut = f"{name}.downsample.1"
                x = keep(shortcut, conv(x, f"{name}.downsample.0", shortcut, shortcut, stride))
            y = conv(y, f"{name}.conv3", f"{name}.bn3", f"{name}.bn3")
            x = keep(f"{name}.relu3", add(y, x, scales[f"{name}.relu3"][0]))
    x = keep("avgpool", average_pool(x, scales["avgpool"][0]))
    outputs["fc"] = linear(x, tensors["fc.weight"], tensors["fc.bias"])
    unknown = np.float32(0 if np.isfinite(image).all() else np.nan)
    return {name: output + unknown for name, output in outputs.items()}
