"""The files that the rest of the repository reads: pictures, MNIST's files, trained weights and checkpoints."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watch import alone

from cv_basics.files import PictureError, read_picture
from mnist.data import embedded, full
from mnist.doubt import measured_limits
from mnist.errors import MnistError
from mnist.network import Network
from mnist.predict import predict
from mnist.weights import SHIPPED, load_parameters
from shared_weights import foreign_names
from shared_weights.sets import WeightSetError


@contextmanager
def silent() -> Iterator[None]:
    """Fail if a library writes anything to stderr, which is a file here."""
    written = os.fstat(2).st_size
    try:
        yield
    finally:
        assert os.fstat(2).st_size == written, "something was written to stderr"


def cv_basics_pictures(folder: Path):
    """Pictures for the image lessons."""

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        with silent():
            read_picture(folder / "input")

    return alone(call), (PictureError,)


def mnist_pictures(folder: Path):
    """Pictures of digits, which are read and classified."""
    network = Network(load_parameters(SHIPPED)[0])
    limits = measured_limits(network, embedded().validation)

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        with silent():
            predict(network, limits, folder / "input")

    return alone(call), (MnistError,)


def mnist_digits(folder: Path):
    """MNIST's four files, of which the last two are valid."""

    def call(data: bytes) -> None:
        end = 4 + int.from_bytes(data[:4], "big")
        (folder / "mnist" / "train-labels-idx1-ubyte").write_bytes(data[4:end])
        (folder / "mnist" / "train-images-idx3-ubyte").write_bytes(data[end:])
        full(folder / "mnist")

    return call, (MnistError,)


def mnist_weights(folder: Path):
    """Weight files as `train` writes them."""

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        load_parameters(folder / "input")

    return call, (MnistError,)


def checkpoints(folder: Path):
    """Trained networks as others save them, which become a weight set."""
    shutil.copy(folder / "weights" / "weights.safetensors", folder / "shard")

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        foreign_names.read(folder / "input").in_float32()

    return alone(call), (WeightSetError,)
