"""Helpers for all tests: narrow networks with seeded weights, and weight folders to hold them."""

import json
import os
import signal
from functools import cache

import numpy as np
import pytest

EPS = 2.0**-23  # float32: rounding changes a number by at most EPS / 2 of its size

DTYPES = {  # NumPy's name of a type -> safetensors' name
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "uint8": "U8",
    "int32": "I32",
    "int64": "I64",
    "bool": "BOOL",
}

PREPROCESS = {
    "steps": [["center_square"], ["resize", 32]],
    "filter": "bilinear",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n"


def random(seed, *shape):
    """Normally distributed float32 numbers."""
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def narrow_tensors(base_width=5, classes=7, seed=0):
    """The tensors of a ResNet-50 with few channels, under torchvision's names; the default widths are 5, 10, ..., 160.

    Many of them do not fill whole vector registers. Kernels are scaled by sqrt(2 / fan-in) (He initialisation), and the
    last batch norm of a block by one half, so that activations stay between 0.1 and 100.
    """
    generator = np.random.RandomState(seed)
    tensors = {}

    def conv(name, outputs, inputs, kernel):
        scale = np.sqrt(2.0 / (inputs * kernel * kernel))
        tensors[f"{name}.weight"] = generator.standard_normal((outputs, inputs, kernel, kernel)) * scale

    def norm(name, channels, scale=1.0):
        tensors[f"{name}.weight"] = generator.uniform(0.5, 1.5, channels) * scale
        tensors[f"{name}.bias"] = generator.standard_normal(channels) * 0.1
        tensors[f"{name}.running_mean"] = generator.standard_normal(channels) * 0.1
        tensors[f"{name}.running_var"] = generator.uniform(0.5, 1.5, channels)

    conv("conv1", base_width, 3, 7)
    norm("bn1", base_width)
    inputs = base_width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = base_width << stage
        for block in range(blocks):
            name = f"layer{stage + 1}.{block}"
            conv(f"{name}.conv1", width, inputs, 1)
            norm(f"{name}.bn1", width)
            conv(f"{name}.conv2", width, width, 3)
            norm(f"{name}.bn2", width)
            conv(f"{name}.conv3", 4 * width, width, 1)
            norm(f"{name}.bn3", 4 * width, 0.5)
            if block == 0:
                conv(f"{name}.downsample.0", 4 * width, inputs, 1)
                norm(f"{name}.downsample.1", 4 * width)
            inputs = 4 * width
    tensors["fc.weight"] = generator.standard_normal((classes, inputs)) / np.sqrt(inputs)
    tensors["fc.bias"] = generator.standard_normal(classes) * 0.1
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


@cache
def quantisation():
    """The content of quantisation.json for all tests: scales that hold what a random picture gives in float64."""
    import reference  # here, since it lies in the folder `contract`

    image = random(0, 32, 32, 3)
    outputs = reference.network(narrow_tensors(), image) | {"image": image}
    names = ["image", "maxpool"]
    for stage, blocks in reference.BLOCKS.items():
        for block in range(blocks):
            parts = ["relu1", "relu2", "bn3", *["downsample.1"] * (block == 0), "relu3"]
            names += [f"{stage}.{block}.{part}" for part in parts]
    return {name: entry(outputs[name].min(), outputs[name].max(), name.endswith(("image", "bn3", "downsample.1")))
            for name in [*names, "avgpool"]}  # fmt: skip


def entry(least, most, moved):
    """A scale with which bytes reach from `least`, or from 0 if the zero point may not be `moved`, to `most`."""
    least = min(least, 0.0) if moved else 0.0
    scale = (max(most, 0.0) - least) / 255
    return {"scale": float(str(np.float32(scale))), "zero_point": round(-least / scale)}


def save_file(tensors, path):
    """Writes a safetensors file: the length of its header, the header in JSON, the numbers."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype.name], "shape": tensor.shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    numbers = b"".join(tensor.tobytes() for tensor in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + numbers)


def write_weights(folder, tensors, labels=None, preprocess=PREPROCESS):
    """Writes a weight folder and returns it; prepares this process to load a network from it."""
    from adapter import prepare  # here, so that tests without a network do not import it

    prepare()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "weights.safetensors")
    labels = labels or [f"label {i}" for i in range(len(tensors["fc.bias"]))]
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    (folder / "preprocess.json").write_text(json.dumps(preprocess))
    (folder / "quantisation.json").write_text(json.dumps(quantisation()))
    return folder


@pytest.fixture(scope="session", autouse=True)
def code_cache(tmp_path_factory):
    """Keeps the code that the tests compile apart from the user's own.

    Runs can share it, if RESNET50_TEST_CACHE names the same folder for them.
    """
    if not os.environ.get("RESNET50_TEST_CACHE"):
        os.environ["RESNET50_TEST_CACHE"] = str(tmp_path_factory.mktemp("code"))
    os.environ["RESNET50_CACHE"] = os.path.join(os.environ["RESNET50_TEST_CACHE"], "cache")


@pytest.fixture(scope="session")
def tensors():
    return narrow_tensors()


@pytest.fixture(scope="session")
def weights_dir(tmp_path_factory, tensors):
    return write_weights(tmp_path_factory.mktemp("weights"), tensors)


@pytest.fixture(scope="session")
def net(weights_dir):
    from resnet50 import ResNet50

    return ResNet50(weights_dir)


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """Puts a fake `gs` first in PATH; returns the file that it would write."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\necho ran >> '{tmp_path}/marker'\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return tmp_path / "marker"


@pytest.fixture
def interruptible():
    """Makes Ctrl-C raise KeyboardInterrupt even in a shell's background job, where it would be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
