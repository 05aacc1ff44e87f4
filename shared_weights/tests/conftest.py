"""Fixtures that several test files use: the pictures, the weight sets, and a small network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared_weights import sets
from shared_weights.architecture import tensors

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pics() -> Path:
    """The folder of pictures."""
    return ROOT / "pics"


@pytest.fixture(scope="session")
def cifar10() -> Path:
    """The shipped weight set."""
    return sets.find("cifar10")


@pytest.fixture(scope="session")
def synthetic() -> Path:
    """The seeded random weight set, made if it is missing."""
    return sets.find("synthetic")


@pytest.fixture(scope="session")
def state() -> dict[str, np.ndarray]:
    """A ResNet-50 of three classes whose layers have 2 to 64 channels: random numbers, under torchvision's names."""
    numbers = np.random.RandomState(0)
    return {name: numbers.uniform(0.1, 0.3, shape).astype(np.float32) for name, shape in tensors(2, 3).items()}


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes bytes to a file, and returns its path."""

    def write(content: bytes) -> Path:
        (tmp_path / "model.pth").write_bytes(content)
        return tmp_path / "model.pth"

    return write
