"""The operators of a network in 8-bit integers, in NumPy, as ONNX Runtime 1.32.0 computes them on x86: to the last bit.

Every rule was found in ONNX Runtime's sources, whose file the docstring names, and holds without one differing value in
`nox -s reference`. Where a rule says f(x), x is rounded to float32; each float32 operation rounds once more, in the
order that is written. rint rounds to the nearest integer, halves to the even one. On other processors ONNX Runtime
computes some of them differently: on ARM with fixed-point multipliers.

A tensor is (height, width, channels), uint8; several may be stacked, in axes before these. `zero_point` is the byte
that stands for 0.
"""

import numpy as np

from .scales import Scale

F = np.float32
Values = np.ndarray | np.float32


def quantise(x: np.ndarray, to: Scale) -> np.ndarray:
    """QuantizeLinear (mlas/lib/intrinsics/avx512/quantize_avx512f.cpp): rint(x / scale) + zero_point, saturated.

    `x`: float32. It is a division: multiplied by 1 / scale, other values would lie halfway.
    """
    return _round_and_saturate(x / to.scale, to.zero_point)


def convolution(x: np.ndarray, zero_point: int, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """The exact int32 sums (rows, columns, outputs) of a convolution, padded with zeros by half its kernel's size.

    `kernel`: int8 (outputs, channels, side, side); `bias`: int32 (outputs,). Sums of bytes stay far below 2**53, so
    float64 is exact too, and BLAS multiplies it some hundred times as fast as NumPy multiplies integers.
    """
    return (correlation(x.astype(np.float64) - zero_point, kernel, stride) + bias).astype(np.int32)


def correlation(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """The sums of a convolution without a bias, float64 (rows, columns, outputs), padded by half its kernel's size.

    `x`: float64 (height, width, channels); `kernel`: (outputs, channels, side, side).
    """
    side, margin = kernel.shape[2], kernel.shape[2] // 2
    padded = np.pad(x, [(0, 0)] * (x.ndim - 3) + [(margin, margin), (margin, margin), (0, 0)])
    rows, columns = ((length - 1) // stride + 1 for length in x.shape[-3:-1])
    sums = np.zeros((*x.shape[:-3], rows, columns, len(kernel)))
    for i in range(side):
        for j in range(side):
            below, right = i + stride * (rows - 1) + 1, j + stride * (columns - 1) + 1
            seen = padded[..., i:below:stride, j:right:stride, :]
            sums += np.tensordot(seen, kernel[:, :, i, j].astype(np.float64), (-1, 1))
    return sums


def multiplier(x: Scale, weights: np.ndarray, to: Scale) -> np.ndarray:
    """What QLinearConv multiplies a channel's sums by (qlinearconv.cc, ComputeOutputScale): (x * w) / y in float32.

    `weights`: the channels' scales, float32. Computed in another order, or in float64, every sixtieth result that
    lies near a half is another byte.
    """
    return (x.scale * weights) / to.scale


def requantise(sums: np.ndarray, factor: Values, to: Scale) -> np.ndarray:
    """QLinearConv's last step (mlas/lib/quantize.cpp, MlasRequantizeOutput), saturated.

    rint(f(sum) * factor) + zero_point. The zero point comes last, so a half goes to the even byte only if it is even.
    """
    return _round_and_saturate(sums.astype(F) * factor, to.zero_point)


def max_pool(x: np.ndarray) -> np.ndarray:
    """MaxPool, 3x3 with stride 2: the largest byte of each window; what lies outside the tensor is never it."""
    return np.max(pool_windows(x), axis=0)


def pool_windows(x: np.ndarray) -> np.ndarray:
    """The nine values of each window of the max pooling, in a first axis; 0, the smallest byte, lies outside."""
    rows, columns = ((length - 1) // 2 + 1 for length in x.shape[-3:-1])
    padded = np.pad(x, [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    places = [(i, j) for i in range(3) for j in range(3)]
    return np.stack([padded[..., i : i + 2 * rows - 1 : 2, j : j + 2 * columns - 1 : 2, :] for i, j in places])


def add(a: np.ndarray, of_a: Scale, b: np.ndarray, of_b: Scale, to: Scale) -> np.ndarray:
    """QLinearAdd (mlas/lib/intrinsics/avx2/qladd_avx2.cpp): two fused multiply-adds on the bytes as they are.

    With ra = of_a.scale / to.scale and rb alike: rint(fma(a, ra, fma(b, rb, fixed))), saturated; `sum_factors` has
    all three.
    """
    ra, rb, fixed = sum_factors(of_a, of_b, to)
    return _round_and_saturate(fused_multiply_add(a, ra, fused_multiply_add(b, rb, fixed)), 0)


def sum_factors(of_a: Scale, of_b: Scale, to: Scale) -> tuple[np.float32, np.float32, np.float32]:
    """What a residual sum multiplies by and adds: ra, rb, and f(zero) - fma(ra, zero_a, f(rb * zero_b)).

    That fma stands in no source: it is what the compiler made of a product and a sum.
    """
    ra, rb = of_a.scale / to.scale, of_b.scale / to.scale
    return ra, rb, F(to.zero_point) - F(fused_multiply_add(ra, F(of_a.zero_point), rb * F(of_b.zero_point)))


def average_pool(x: np.ndarray, of_x: Scale, to: Scale) -> np.ndarray:
    """QLinearGlobalAveragePool (mlas/lib/qlgavgpool.cpp) -> uint8 (channels,).

    The exact sum of all bytes, less their zero points, times `average_factor`.
    """
    count = x.shape[-3] * x.shape[-2]
    sums = x.sum(axis=(-3, -2), dtype=np.int32) - np.int32(of_x.zero_point * count)
    return requantise(sums, average_factor(of_x, to, count), to)


def average_factor(of_x: Scale, to: Scale, count: int) -> np.float32:
    """What the sum of `count` bytes is multiplied by: x's scale / f(the other scale * f(count))."""
    return of_x.scale / (to.scale * F(count))


def linear(x: np.ndarray, of_x: Scale, weights: np.ndarray, scales: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """QGemm without a scale for its output (contrib_ops/cpu/quantization/quant_gemm.cc) -> float32 (outputs,).

    `x`: uint8 (channels,); `weights`: int8 (outputs, channels), `scales`: float32 (outputs,); `bias`: int32 (outputs,),
    in units of x's scale * the output's. The bias is part of the exact sum, and the scales are multiplied first:
    f(sum + bias) * f(x's scale * the output's).
    """
    sums = (x.astype(np.int32) - of_x.zero_point) @ weights.astype(np.int32).T + bias
    return sums.astype(F) * (of_x.scale * scales)


def fused_multiply_add(a: Values, b: Values, c: Values) -> np.ndarray:
    """a * b + c of float32 values (or bytes), rounded once to float32.

    In float64 the product is exact and the sum is not, so it is rounded to odd, after which rounding to float32 gives
    what rounding once would have (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
    """
    product, summand = np.asarray(a, np.float64) * np.asarray(b, np.float64), np.asarray(c, np.float64)
    sums = np.asarray(product + summand)
    part = sums - product
    error = (product - (sums - part)) + (summand - part)  # exactly what the sum lacks (Knuth's two-sum)
    even = sums.view(np.int64) & 1 == 0
    towards = np.nextafter(sums, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even, towards, sums).astype(F)


def _round_and_saturate(x: np.ndarray, zero_point: int) -> np.ndarray:
    """rint(x) + zero_point as the nearest byte."""
    return (np.rint(np.clip(x, F(0 - zero_point), F(255 - zero_point))) + F(zero_point)).astype(np.uint8)
