"""Light separated from dark, however the paper is lit: evenly, fading to one side, or with a shadow across it."""

import math

import numpy as np

from cv_basics.gaussian_blur import gaussian_blur_numpy
from cv_basics.otsu import otsu_numpy
from mnist.layers import Array

SAMPLES = 3000  # pixels that the lighting is fitted to


def lighting_variants(grey: Array) -> tuple[Array, Array, Array]:
    """A picture, uint8 (H, W), without its grain: as it is lit, and with the lighting evened out in two ways."""
    blurred = gaussian_blur_numpy(grey, 3, 0)
    return blurred, evenly_lit(blurred), without_shadows(blurred)


def otsu_classes(grey: Array) -> tuple[float, float, Array]:
    """Otsu's two classes of a picture, uint8 (H, W): how well they explain it (the share of the variance that lies
    between them, 0 to 1), the difference of their means in grey levels, and where the picture is light, bool (H, W)."""
    light = otsu_numpy(grey)[1] > 0
    if light.all() or not light.any():
        return 0.0, 0.0, light
    contrast, share = grey[light].mean() - grey[~light].mean(), light.mean()
    return share * (1 - share) * contrast**2 / grey.var(), contrast, light


def evenly_lit(grey: Array) -> Array:
    """A picture, uint8 (H, W), without gradual changes of the lighting; the paper becomes 128.

    The lighting is the surface a + b u + c v + d u^2 + e u v + f v^2 that fits most pixels, by iteratively reweighted
    least squares: the further off a pixel was, the less it weighs (Cauchy's weights), until the ink hardly counts.
    """
    v, u = np.meshgrid(*(np.linspace(-1, 1, length) for length in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1).reshape(-1, 6)
    step = math.ceil(grey.size / SAMPLES)
    sample, levels = terms[::step], grey.ravel()[::step].astype(float)
    weights = np.ones(len(levels))
    for _ in range(10):
        weighted = sample * weights[:, None]
        surface = np.linalg.lstsq(sample.T @ weighted, levels @ weighted)[0]
        distance = np.abs(levels - sample @ surface)
        weights = 1 / (1 + (distance / (np.median(distance) + 1)) ** 2)
    return (128.5 + grey - (terms @ surface).reshape(grey.shape)).clip(0, 255).astype(np.uint8)


def without_shadows(grey: Array) -> Array:
    """A picture, uint8 (H, W), minus its paper with any shadows on it; the paper becomes 128.

    The paper under dark ink is the closing: in each window the largest grey level, then the smallest of those. It fills
    in whatever is narrower than the window, and keeps a shadow's edge where it is, however sharp (J. Serra, Image
    Analysis and Mathematical Morphology, 1982; what remains is his "black top-hat"). Under light ink it is the opening,
    the same with dark and light exchanged. The one of the two with less variation is the paper.
    """
    size = max(grey.shape) // 8 * 2 + 1  # a quarter of the picture: wider than any stroke
    closing = 255 - largest_around(255 - largest_around(grey, size), size)
    opening = largest_around(255 - largest_around(255 - grey, size), size)
    paper = min(closing.astype(int), opening.astype(int), key=total_variation)
    return (grey - paper + 128).clip(0, 255).astype(np.uint8)


def total_variation(levels: Array) -> int:
    """The sum of all differences between neighbours: levels, int (H, W)."""
    return np.abs(np.diff(levels, axis=0)).sum() + np.abs(np.diff(levels, axis=1)).sum()


def largest_around(grey: Array, size: int) -> Array:
    """The largest level in the square of `size` (odd) pixels around each pixel: uint8 (H, W) of the same.

    By doubling: the largest of 2 n pixels is the larger of two largest of n.
    """
    result = np.pad(grey, size // 2, mode="edge")
    for _ in range(2):  # along the rows, then, turned over, along the columns
        reached = 1
        while reached < size:
            step = min(reached, size - reached)
            result = np.maximum(result[:-step], result[step:])
            reached += step
        result = result.T
    return result
