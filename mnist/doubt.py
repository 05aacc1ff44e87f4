"""When an answer deserves doubt: because there are several digits, one on its side, or none.

A network has learnt ten names and gives one of them to anything. So three questions are asked of each picture:

- Are there several pieces of ink of a digit's size, side by side or one above the other?
- Does the largest logit grow when the picture makes a quarter turn, to either side? Then the digit lies on its side.
- Is even the largest logit small? The logits add up the evidence for each digit, while the probabilities only tell how
  it is divided: with next to no evidence they may still give 99 % to one digit. (Liu et al. 2020, "Energy-based
  out-of-distribution detection", section 3, use the log of the sum of exp(logits), which is nearly the largest one.)

Where "grow" and "small" begin is measured with the weights in use: beyond all but 0.75 % of the validation digits that
they name correctly.
"""

from dataclasses import dataclass

import numpy as np

from mnist.data import Digits
from mnist.layers import Array
from mnist.network import Network

UNUSUAL = 0.0075  # the share of the correctly named digits that is beyond each of the two limits
CHUNK = 100  # pictures per pass: 25 MB of intermediate results


@dataclass(frozen=True)
class Limits:
    """faint: the logit below which there is perhaps no digit; turned: the growth above which it lies on its side."""

    faint: float
    turned: float


def measured_limits(network: Network, digits: Digits) -> Limits:
    """A network's limits, measured on digits that it has not learnt from."""
    answers, largest, growth = evidence(network, digits.images)
    right = answers == digits.labels
    return Limits(float(np.quantile(largest[right], UNUSUAL)), float(np.quantile(growth[right], 1 - UNUSUAL)))


def evidence(network: Network, images: Array) -> tuple[Array, Array, Array]:
    """The answers, the largest logits, and by how much a quarter turn raises them: images, uint8 (N, 28, 28) ->
    int (N,), float32 (N,), float32 (N,)."""
    turned = [np.rot90(images, turns, axes=(1, 2)) for turns in (0, 1, 3)]
    upright, left, right = np.split(logits(network, np.concatenate(turned)), 3, axis=1)
    largest = upright.max(axis=0)
    return upright.argmax(axis=0), largest, np.maximum(left.max(axis=0), right.max(axis=0)) - largest


def logits(network: Network, images: Array) -> Array:
    """The network's logits (10, N) for images, uint8 (N, 28, 28), computed in chunks."""
    starts = range(0, len(images), CHUNK)
    return np.concatenate([network.forward(images[start : start + CHUNK]) for start in starts], axis=1)


def doubt(network: Network, limits: Limits, seen: Array, digits: int) -> str:
    """Why the answer for the digit seen, uint8 (28, 28), deserves doubt, or "". digits: how many the picture has."""
    _, largest, growth = evidence(network, seen[np.newaxis])
    if digits > 1:
        return f"{digits} digits? only one at a time can be read"
    if growth[0] > limits.turned:
        return "a digit on its side?"
    if largest[0] < limits.faint:
        return "perhaps not a digit"
    return ""
