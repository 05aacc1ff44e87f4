"""The files that the lessons beside the versions read: pictures, MNIST's files, trained weights."""

import os
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
