"""Small sets of digits, the bundled network and a picture for it, and the command line as users start it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist.data import Digits, Parts, embedded
from mnist.doubt import Limits
from mnist.network import Network
from mnist.predict import predict
from mnist.weights import SHIPPED, load_parameters

ROOT = Path(__file__).parents[2]
NO_DOUBT = Limits(faint=-np.inf, turned=np.inf)


@pytest.fixture(scope="session")
def small() -> Parts:
    """1,000 digits to learn from, the usual ones for validation and test."""
    parts = embedded()
    return Parts(parts.train[:1000], parts.validation, parts.test)


@pytest.fixture
def idx_folder(tmp_path: Path, small: Parts) -> Path:
    """600 digits and 200 as the files of the full MNIST."""
    folder = tmp_path / "digits"
    folder.mkdir()
    write_idx(folder, "train", small.train[:600])
    write_idx(folder, "t10k", small.test[:200])
    return folder


def write_idx(folder: Path, name: str, digits: Digits) -> None:
    """Write digits as two IDX files, following the description of the format."""
    count = len(digits).to_bytes(4, "big")
    side = (28).to_bytes(4, "big")
    images = bytes([0, 0, 8, 3]) + count + side + side + digits.images.tobytes()
    (folder / f"{name}-images-idx3-ubyte").write_bytes(images)
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + count + digits.labels.tobytes())


def command(*arguments: object) -> list[str]:
    """The command line with these arguments."""
    return [sys.executable, "-m", "mnist", *map(str, arguments)]


@pytest.fixture
def mnist() -> Callable[..., subprocess.CompletedProcess]:
    """A function that runs the command line to its end."""

    def run(*arguments: object) -> subprocess.CompletedProcess:
        wide = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=300, env=wide)

    return run


@pytest.fixture(scope="session")
def network() -> Network:
    """The network with the bundled weights."""
    return Network(load_parameters(SHIPPED)[0])


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A 7 in black on white, 200 x 160."""
    picture = np.full((200, 160), 255, np.uint8)
    picture[40:52, 40:110] = 0
    for row in range(52, 160):
        column = 98 - (row - 52) // 3
        picture[row, column : column + 12] = 0
    file = tmp_path / "seven.png"
    Image.fromarray(picture).save(file)
    return file


def named(network: Network, file: Path) -> int:
    """The digit that the network sees in a picture file."""
    return int(predict(network, NO_DOUBT, file).probabilities.argmax())
