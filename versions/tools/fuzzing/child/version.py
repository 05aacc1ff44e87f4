"""A version's own file readers; the result of each is also used."""

import json
from pathlib import Path

import numpy as np
from resnet50 import ResNet50, ResNet50Error
from resnet50.image import Preprocessing
from resnet50.weight_folder import read_labels
from resnet50.worker import load_image
from watch import changing

IMAGE = np.random.RandomState(0).standard_normal((32, 32, 3)).astype(np.float32)


def arrays(folder: Path):
    """.npy files, which the command line accepts in place of pictures."""
    net = ResNet50(folder / "weights")

    def call(data: bytes) -> None:
        (folder / "input.npy").write_bytes(data)
        net(load_image(net, "input.npy"))

    return call, (ResNet50Error,)


def weights(folder: Path):
    """weights.safetensors, from which a network is loaded and run."""

    def call(data: bytes) -> None:
        (folder / "other" / "weights.safetensors").write_bytes(data)
        ResNet50(folder / "other")(IMAGE)

    return call, (ResNet50Error,)


def changing_weights(folder: Path):
    """Weight folders in which a file changes while a network is loaded from it and run."""
    place = folder / "other"
    right = {file.name: file.read_bytes() for file in (folder / "weights").iterdir()}

    def call(data: bytes) -> None:
        given = json.loads(data)
        for name, content in right.items():
            (place / name).unlink(missing_ok=True)
            (place / name).write_bytes(content)
        with changing(place / given["file"], given):
            ResNet50(place)(IMAGE)

    return call, (ResNet50Error,)


def preprocessings(folder: Path):
    """preprocess.json, which is then applied to a picture of 24 x 16 pixels."""

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        Preprocessing(folder / "input")(folder / "picture.png")
        json.loads(data, object_pairs_hook=once)

    return call, (ResNet50Error,)


def quantisations(folder: Path):
    """quantisation.json, with which a network is loaded and run."""

    def call(data: bytes) -> None:
        (folder / "other" / "quantisation.json").write_bytes(data)
        ResNet50(folder / "other")(IMAGE)
        json.loads(data, object_pairs_hook=once)

    return call, (ResNet50Error,)


def once(pairs: list[tuple[str, object]]) -> None:
    """Fails if a name occurs twice in a JSON object that was accepted: which entry counts is not defined."""
    assert len(dict(pairs)) == len(pairs), "a file was accepted in which a name occurs twice"


def labels(folder: Path):
    """labels.txt, for a network of three classes."""

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        assert len(read_labels(folder / "input", 3)) == 3

    return call, (ResNet50Error,)
