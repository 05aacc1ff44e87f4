"""Fixtures that several test files use: the pictures and the weight sets."""

from pathlib import Path

import pytest

from shared_weights import sets

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
