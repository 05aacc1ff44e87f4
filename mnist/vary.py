"""Varied copies of the training digits, new ones in each epoch (data augmentation), since 8,000 digits show too little.

Each copy is a little turned, sheared, stretched and shifted, by an affine map from a pixel to the place that its value
comes from, where four pixels are interpolated bilinearly (Simard, Steinkraus and Platt 2003, "Best practices for
convolutional neural networks applied to visual document analysis", section 2):

    source = R S Z (target - centre) + centre of mass + shift

R turns, S shears, Z stretches both axes; all are drawn from normal distributions around no change. And because
MNIST's digits were written by Americans, half of the copies of a 1 get the upstroke (a flag) and half of those of a 7
the bar with which most of Europe writes them.
"""

import numpy as np

from mnist.data import SIDE
from mnist.layers import Array

# Standard deviations.
TURN = np.radians(9)
SHEAR = 0.15
STRETCH = 0.1
SHIFT = 0.7  # pixels
EUROPEAN = 0.5  # the share of the 1s that get a flag, and of the 7s that get a bar


def varied(images: Array, labels: Array, rng: np.random.Generator) -> Array:
    """A varied copy of each digit: images, uint8 (N, 28, 28), labels, (N,) -> uint8 (N, 28, 28)."""
    images = images.copy()
    for label, add_stroke in ((1, flagged), (7, barred)):
        chosen = np.nonzero((labels == label) & (rng.random(len(labels)) < EUROPEAN))[0]
        for which in chosen:
            images[which] = add_stroke(images[which], rng)
    pixels = np.stack([*np.mgrid[:SIDE, :SIDE]], axis=-1).reshape(-1, 2)  # rows and columns
    source = (pixels - (SIDE - 1) / 2) @ affine_maps(len(images), rng).transpose(0, 2, 1)  # (N, 784, 2)
    source += centres_of_mass(images)[:, None] + rng.normal(0, SHIFT, (len(images), 1, 2))
    return bilinear(images, source).reshape(images.shape)


def centres_of_mass(images: Array) -> Array:
    """Where MNIST puts the middle of a digit: images, uint8 (N, 28, 28) -> rows and columns, float64 (N, 2)."""
    mass = images.sum(axis=(1, 2), dtype=float)
    rows, columns = images.sum(axis=2, dtype=float), images.sum(axis=1, dtype=float)
    return np.stack([rows, columns], axis=1) @ np.arange(SIDE) / np.maximum(mass, 1)[:, None]


def flagged(digit: Array, rng: np.random.Generator) -> Array:
    """A 1, uint8 (28, 28), with a stroke from its top down to the left, a tenth to a half of its height long."""
    rows = np.nonzero((digit > 127).any(axis=1))[0]
    height = rows[-1] - rows[0] + 1
    top = np.array([rows[0] + 0.5, np.average(np.arange(SIDE), weights=digit[rows[0]])])
    end = top + height * np.array([rng.uniform(0.1, 0.5), -rng.uniform(0.1, 0.4)])
    return with_stroke(digit, top, end, digit.sum() / 255 / height)


def barred(digit: Array, rng: np.random.Generator) -> Array:
    """A 7, uint8 (28, 28), with a nearly level stroke through its stem, a fifth to a half of its height long."""
    rows, columns = (np.nonzero((digit > 127).any(axis=axis))[0] for axis in (1, 0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    row = round(rows[0] + height * rng.uniform(0.4, 0.65))
    middle = np.array([row, np.average(np.arange(SIDE), weights=digit[row] + 1e-9)])
    half = height * rng.uniform(0.1, 0.25) * np.array([rng.uniform(-0.4, 0.2), 1])
    return with_stroke(digit, middle - half, middle + half, digit.sum() / 255 / (height + width))


def with_stroke(digit: Array, start: Array, end: Array, width: float) -> Array:
    """A digit, uint8 (28, 28), with a straight stroke between two places (row, column), `width` pixels wide."""
    pixels = np.stack([*np.mgrid[:SIDE, :SIDE]], axis=-1) - start
    along = (pixels @ (end - start) / ((end - start) @ (end - start))).clip(0, 1)
    distance = np.linalg.norm(pixels - along[..., None] * (end - start), axis=-1)
    stroke = 255 * (width / 2 + 0.5 - distance).clip(0, 1)
    return np.maximum(digit, stroke.astype(np.uint8))


def affine_maps(count: int, rng: np.random.Generator) -> Array:
    """Random matrices R S Z: float64 (count, 2, 2)."""
    angle = rng.normal(0, TURN, count)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    none, one = np.zeros(count), np.ones(count)
    shear = np.array([[one, none], [rng.normal(0, SHEAR, count), one]])
    stretch = np.array([[rng.normal(1, STRETCH, count), none], [none, rng.normal(1, STRETCH, count)]])
    return np.einsum("ijn,jkn,kln->nil", turn, shear, stretch)


def bilinear(images: Array, places: Array) -> Array:
    """The values of images, uint8 (N, H, W), at places between the pixels, float (N, P, 2): uint8 (N, P).

    Beyond the edge everything is 0, paper.
    """
    count, height, width = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).astype(np.float32).ravel()
    places = places.clip(-1, [height - 0.001, width - 0.001]) + 1  # one pixel of paper around the picture is enough
    whole = places.astype(np.int64)
    down, right = np.moveaxis((places - whole).astype(np.float32), -1, 0)
    first = (np.arange(count)[:, None] * (height + 2) + whole[..., 0]) * (width + 2) + whole[..., 1]
    above = padded[first] * (1 - right) + padded[first + 1] * right
    below = padded[first + width + 2] * (1 - right) + padded[first + width + 3] * right
    return (above * (1 - down) + below * down + 0.5).astype(np.uint8)
