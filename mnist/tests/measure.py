"""How good the bundled weights and the preparation are on pictures that neither was developed with:
`python -m mnist.tests.measure` prints the README's two tables."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from mnist.data import embedded
from mnist.doubt import Limits, doubt, measured_limits
from mnist.errors import PictureError
from mnist.layers import Array
from mnist.network import Network
from mnist.pieces import count_digits
from mnist.prepare import extract_digit, find_digit, read_picture
from mnist.tests.cells import BESIDE, MEASURED, STYLES, cells
from mnist.tests.drawing import FONTS, letter
from mnist.weights import SHIPPED, load_parameters

PHOTOS = Path(__file__).parents[2] / "pics"
LETTERS = "ACEFGHJKMNPQRTUVWXYabdefhkmnprtuwxy&%?#@"  # without those that look like a digit, as B, I and S do


class Reader:
    """The network with the bundled weights, and its limits."""

    def __init__(self) -> None:
        self.network = Network(load_parameters(SHIPPED)[0])
        self.limits: Limits = measured_limits(self.network, embedded().validation)

    def read(self, grey: Array) -> tuple[int, str]:
        """The digit named in a picture, uint8 (H, W), -1 if none, and the doubt."""
        try:
            found = find_digit(grey)
        except PictureError as error:
            return -1, str(error)
        seen = extract_digit(grey, found)
        answer = int(self.network.forward(seen[np.newaxis]).argmax())
        return answer, doubt(self.network, self.limits, seen, count_digits(found))


def readings(reader: Reader, style: str, beside: str, count: int, seed: int = MEASURED) -> tuple[Array, Array]:
    """Of `count` cells, which are read correctly and which of the answers are doubted: bool (count,) each."""
    results = [(reader.read(grey), label) for grey, label in cells(style, beside, count, seed)]
    return np.array([answer == label for (answer, _), label in results]), np.array(
        [bool(why) for (_, why), _ in results]
    )


def enlarged(digits: Array) -> Array:
    """MNIST's digits, uint8 (H, W), as a photo would show them: four times as large, dark on light."""
    height, width = digits.shape
    large = Image.fromarray(digits).resize((4 * width, 4 * height), Image.Resampling.BICUBIC)
    return 255 - np.pad(np.asarray(large), 20)


def digits_alone(count: int) -> Iterator[Array]:
    yield from map(enlarged, embedded().test.images[:count])


def digits_on_their_side(count: int) -> Iterator[Array]:
    for number, image in enumerate(embedded().test.images[:count]):
        yield enlarged(np.rot90(image, 1 + number % 2 * 2))


def two_digits(count: int) -> Iterator[Array]:
    """Two digits side by side, with a gap between them."""
    images = embedded().test.images
    for left, right in zip(images[:count], images[-count:]):
        yield enlarged(np.concatenate([left, right], axis=1))


def two_digits_that_touch(count: int) -> Iterator[Array]:
    images = embedded().test.images
    for left, right in zip(images[:count], images[-count:]):
        left, right = left[:, left.any(axis=0)], right[:, right.any(axis=0)]
        both = np.zeros((28, left.shape[1] + right.shape[1] - 2), np.uint8)
        both[:, : left.shape[1]] = left
        both[:, left.shape[1] - 2 :] = np.maximum(both[:, left.shape[1] - 2 :], right)
        yield enlarged(np.pad(both, 4))


def letters(count: int) -> Iterator[Array]:
    for number in range(count):
        mask = letter(FONTS[number % len(FONTS)], LETTERS[number // 2 % len(LETTERS)], 100)
        yield (255 * (1 - np.pad(mask, 20))).astype(np.uint8)


def photos(count: int) -> Iterator[Array]:
    files = sorted(file for file in PHOTOS.rglob("*") if file.suffix in (".png", ".jpg"))
    for file in files[:: max(len(files) // count, 1)][:count]:
        yield read_picture(file)


ODD = {
    "two digits": two_digits,
    "two digits that touch": two_digits_that_touch,
    "a digit on its side": digits_on_their_side,
    "a letter": letters,
    "a photo of something else": photos,
}


def main(count: int = 50) -> None:
    """Print the table of the cells and that of the doubts."""
    console, reader = Console(), Reader()
    table = Table("beside the digit", *STYLES, "doubted")
    every = []
    for beside in BESIDE:
        results = [readings(reader, style, beside, count) for style in STYLES]
        every += results
        doubted = np.concatenate([doubts[right] for right, doubts in results]).mean()
        table.add_row(beside, *(f"{right.mean():.0%}" for right, _ in results), f"{doubted:.1%}")
    console.print(table)
    right, doubts = (np.concatenate(column) for column in zip(*every))
    doubted = Table("picture", "doubted")
    doubted.add_row("a cell, read correctly", f"{doubts[right].mean():.1%}")
    test = embedded().test
    alone = [(*reader.read(grey), label) for grey, label in zip(digits_alone(len(test)), test.labels)]
    correct = np.mean([why != "" for answer, why, label in alone if answer == label])
    incorrect = np.mean([why != "" for answer, why, label in alone if answer != label])
    doubted.add_row("a test digit, read correctly", f"{correct:.1%}")
    doubted.add_row("a test digit, read incorrectly", f"{incorrect:.0%}")
    for name, pictures in ODD.items():
        doubted.add_row(name, f"{np.mean([bool(reader.read(grey)[1]) for grey in pictures(count)]):.0%}")
    console.print(doubted)


if __name__ == "__main__":
    main()
