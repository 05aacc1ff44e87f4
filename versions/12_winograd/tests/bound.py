"""The rounding bound of a convolution in one of Winograd's forms.

A form computes y = A^T [sum over c of (G g G^T) * (B^T d B)] A with rounded numbers. In one direction a transform
rounds what a term contributes at most 4 times on the way from d to V (a constant, its product, a difference, a sum) and
5 times on the way from M to y; with 2 pixels, also polyphase, once and twice. U is rounded once, a sum over C channels
of fused multiply-adds C times, and the bias once. So, to first order in eps = 2^-23, the error of y is at most

    (C + 2 * 4 + 2 * 5 + 2) * eps / 2 * |A^T| [sum over c of (|G| |g| |G^T|) * (|B^T| |d| |B|)] |A|

Where U is made in registers, a direction of its transform rounds at most 3 times (a constant, its product, a sum) in
place of the one rounding of U, and the division that is left for later twice (the factor, the product): 7 more.

The tests allow twice that, as for the other operators. Unlike theirs, with 4 pixels this bound belongs to a tile, not
to a window: a huge number inside the patch leaves a rounding error of its size in every pixel of the tile, also where
no window sees it; one on the patch's rim, in the pixels of the tile's rim.
"""

import re
from math import sqrt

import numpy as np
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution
from resnet50.winograd import in_registers

EPS = float(np.finfo(np.float32).eps)


def run(lines, numbers):
    """Runs a transform's C as Python, on numbers of any kind; returns all that it has computed, by name."""
    numbers = numbers | {"ROOT_HALF": sqrt(0.5), "ROOT_TWO": sqrt(2.0)}
    for statement in re.sub(r"(\d)f", r"\1", ", ".join(lines)).split(", "):
        exec(statement, {}, numbers)
    return numbers


def matrix(lines, name, size):
    """The matrix of a transform in C: each result as a row of the factors of `name`0, `name`1, ..."""
    numbers = run(lines, {f"{name}{i}": row for i, row in enumerate(np.eye(size))})
    result = {"d": "v", "m": "y", "g": "u"}[name]
    return np.array([numbers[f"{result}{i}"] for i in range(2 * size) if f"{result}{i}" in numbers])


def matrices(form):
    """B^T, G with a row for each point, and A^T, float64."""
    return matrix(form.input, "d", form.side), form.G[form.rows], matrix(form.output, "m", form.side)


def by_tiles(x, kernels, form, absolute=False):
    """The convolution (padding 1) by the formula in float64; `absolute`: of absolute values throughout."""
    given = (*matrices(form), x.astype(np.float64), kernels.astype(np.float64))
    B, G, A, x, kernels = (np.abs(each) for each in given) if absolute else given
    pixels, apart = form.pixels, form.pixels * form.stride
    height, width = (-(-size // form.stride) for size in x.shape[:2])
    down, across = -(-height // pixels), -(-width // pixels)
    padded = np.pad(x, [(1, down * apart - x.shape[0] + 1), (1, across * apart - x.shape[1] + 1), (0, 0)])
    output = np.zeros((down * pixels, across * pixels, len(kernels)))
    U = np.einsum("ai,bj,ocij->aboc", G, G, kernels)
    for i, j in np.ndindex(down, across):
        patch = padded[i * apart :, j * apart :][: form.side, : form.side]
        M = np.einsum("aboc,abc->abo", U, np.einsum("ai,bj,ijc->abc", B, B, patch))
        output[i * pixels :, j * pixels :][:pixels, :pixels] = np.einsum("ai,bj,ijo->abo", A, A, M)
    return output[:height, :width]


def tolerance(x, kernels, bias, form):
    """Twice the bound above for each number."""
    conv = Convolution(*x.shape, len(kernels), 3, 3, form.stride, 1)
    roundings = kernels.shape[1] + 2 * 4 + 2 * 5 + 2 + 7 * in_registers(conv, form, instruction_set())
    return roundings * EPS * (by_tiles(x, kernels, form, absolute=True) + np.abs(bias))
