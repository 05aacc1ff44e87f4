"""The trials of `rounding`: random and unusual images for narrow networks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scrutiny.networks import LISTED, Scales, Size, Tensors, free_size, random_image, random_tensors, scales_of

BLACK, WHITE = -2.0, 2.6  # about the values of 0 and 255 after normalisation


@dataclass(frozen=True)
class Kind:
    """A kind of trial: the change made to a random image, and the factor of the first layer's kernels.

    `column`: its column in the tables.
    """

    column: str
    name: str
    change: Callable[[np.ndarray], np.ndarray]
    factor: float = 1.0


def flat(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function that makes an image of only this value."""
    return lambda image: np.full_like(image, value)


def spoilt(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function that puts this value at one place in an image."""

    def change(image: np.ndarray) -> np.ndarray:
        image = image.copy()
        image[image.shape[0] // 3, image.shape[1] // 2, 1] = value
        return image

    return change


def times(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function that multiplies an image by a factor."""
    return lambda image: image * np.float32(factor)


def chequered(image: np.ndarray) -> np.ndarray:
    """Alternating black and white, from pixel to pixel and from channel to channel."""
    return np.where(np.indices(image.shape).sum(axis=0) % 2, BLACK, WHITE).astype(np.float32)


RANDOM = Kind("random", "", times(1.0))
SPECIAL = (
    Kind("one colour", "zeros", flat(0.0)),
    Kind("one colour", "black", flat(BLACK)),
    Kind("one colour", "white", flat(WHITE)),
    Kind("chequered", "chequered", chequered),
    # The smallest normal float32 is 1.2e-38. If smaller numbers were flushed to zero, all later ones would be too.
    Kind("denormal", "denormal image", times(1e-39), 1e38),
    Kind("denormal", "denormal kernels", times(3e37), 3e-38),
    Kind("NaN", "NaN", spoilt(np.nan)),
    Kind("infinity", "infinity", spoilt(np.inf)),
    Kind("infinity", "minus infinity", spoilt(-np.inf)),
    Kind("too large", "sums too large for float32", times(7e37)),
)


@dataclass(frozen=True)
class Trial:
    """A network size, with the weights and the image made from a seed."""

    kind: Kind
    size: Size
    seed: int

    def __str__(self) -> str:
        return f"{self.kind.name or f'seed {self.seed}'}: {self.size}"

    @property
    def listed(self) -> bool:
        """Whether versions that compile C for each size see this trial."""
        return self.size in LISTED

    def weights(self) -> Tensors:
        """The network's float32 tensors."""
        tensors = random_tensors(self.size, self.seed)
        tensors["conv1.weight"] *= np.float32(self.kind.factor)
        return tensors

    def scales(self) -> Scales:
        """Those of the network before the factor: with it some values would be too large for float32."""
        return scales_of(random_tensors(self.size, self.seed))

    def image(self) -> np.ndarray:
        """float32 (height, width, 3)."""
        return self.kind.change(random_image(self.size, self.seed))


def all_trials(seeds: int) -> list[Trial]:
    """The special images, one of each kind per listed size; for each seed one of a listed size and one of any size."""
    special = [Trial(kind, size, 0) for size in LISTED for kind in SPECIAL]
    listed = [Trial(RANDOM, LISTED[seed % len(LISTED)], seed) for seed in range(seeds)]
    free = [Trial(RANDOM, free_size(seed), seed) for seed in range(seeds)]
    return special + listed + free
