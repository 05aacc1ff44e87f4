"""Name the digit in a picture, and show what the network saw of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnist.doubt import Limits, doubt
from mnist.errors import PictureError
from mnist.layers import Array, softmax
from mnist.network import Network
from mnist.pieces import count_digits
from mnist.prepare import extract_digit, find_digit, read_picture

SHADES = " .:-=+*#%@"  # from black to white, on a dark terminal


@dataclass(frozen=True)
class Prediction:
    """picture: uint8 (H, W); seen: uint8 (28, 28), the digit that the network was given; probabilities: float32 (10,);
    doubt: why they deserve doubt, or ""."""

    picture: Array
    seen: Array
    probabilities: Array
    doubt: str


def predict(network: Network, limits: Limits, file: Path) -> Prediction:
    """The digit in a picture file, and the doubt that the limits give rise to. Raises PictureError, naming the file."""
    picture = read_picture(file)
    try:
        found = find_digit(picture)
    except PictureError as error:
        raise PictureError(f"{file} {error}") from None
    seen = extract_digit(picture, found)
    reason = doubt(network, limits, seen, count_digits(found))
    return Prediction(picture, seen, softmax(network.forward(seen[np.newaxis]))[:, 0], reason)


def as_text(seen: Array) -> str:
    """A digit, uint8 (28, 28), in characters: two per pixel, because they are twice as high as wide."""
    levels = seen.astype(int) * len(SHADES) // 256
    return "\n".join("".join(SHADES[level] * 2 for level in row) for row in levels)
