"""Narrow ResNet-50s with seeded random weights, their images, and their logits in float64 or in whole numbers."""

import importlib.util
import json
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path
from types import ModuleType

import numpy as np

from ladder.core.versions import ROOT
from shared_weights import ranges, scales, tensor_file
from shared_weights.architecture import tensors
from shared_weights.quantised import QuantisedNetwork
from shared_weights.scales import Scale

Tensors = dict[str, np.ndarray]
Scales = dict[str, Scale]

PREPROCESS = {"steps": [["resize", 32]], "filter": "bilinear", "mean": [0.485, 0.456, 0.406], "std": [0.229] * 3}


@dataclass(frozen=True)
class Size:
    """The size of a network (channels after the first convolution, classes) and of an image (pixels)."""

    base_width: int
    classes: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.base_width} wide, {self.height}x{self.width}"


# Versions that compile C for each shape take ten seconds for a new one, so they see only these sizes: channels that do
# and do not fill registers, classes likewise; odd heights and widths; one pixel in the last stage, and several.
LISTED = (Size(3, 7, 32, 32), Size(5, 70, 33, 47), Size(8, 64, 64, 40), Size(16, 131, 32, 45))

# The other versions see a new size with every seed. With fewer than seven classes, all logits are sometimes near zero,
# and rounding errors are many times larger relative to them.
BASE_WIDTHS, CLASSES, PIXELS = (1, 16), (7, 200), (32, 96)


def free_size(seed: int) -> Size:
    """A random size; the same seed gives the same size."""
    generator = np.random.default_rng(seed)
    base_width, classes, height, width = (
        int(generator.integers(low, high, endpoint=True)) for low, high in (BASE_WIDTHS, CLASSES, PIXELS, PIXELS)
    )
    return Size(base_width, classes, height, width)


def random_tensors(size: Size, seed: int) -> Tensors:
    """A network's float32 tensors, by torchvision's names.

    Kernels have the variance 2 / fan-in (He et al., "Delving deep into rectifiers", 2015), and the last batch norm of a
    block is half as strong as the others, so that activations stay between 0.1 and 200. Each class has a twin.
    """
    generator = np.random.default_rng([seed, size.base_width, size.classes])
    made: Tensors = {}
    for name, shape in tensors(size.base_width, size.classes).items():
        layer, part = name.rsplit(".", 1)
        if len(shape) > 1:
            values = generator.standard_normal(shape) * sqrt((1 if layer == "fc" else 2) / prod(shape[1:]))
        elif part in ("weight", "running_var"):
            values = generator.uniform(0.5, 1.5, shape) * (0.5 if name.endswith("bn3.weight") else 1)
        else:
            values = generator.standard_normal(shape) * 0.1
        made[name] = values.astype(np.float32)
    for name in ("fc.weight", "fc.bias"):
        made[name] = made[name][twins(size.classes)]
    return made


def twins(classes: int) -> np.ndarray:
    """For each class, the first one with the same weights and so the same logit: all but the middle one have a twin."""
    return np.arange(classes) % ((classes + 1) // 2)


def random_image(size: Size, seed: int) -> np.ndarray:
    """float32 (height, width, 3), normally distributed, roughly like the numbers of a prepared picture."""
    generator = np.random.default_rng([seed, size.height, size.width])
    return generator.standard_normal((size.height, size.width, 3), np.float32)


def write(folder: Path, weights: Tensors, known: Scales | None = None) -> Path:
    """Write a weight folder and return it; `known`: its scales, by default those of `scales_of`."""
    folder.mkdir(exist_ok=True)
    scales.write(folder, known or scales_of(weights))
    tensor_file.write(folder / "weights.safetensors", weights, {})
    (folder / "labels.txt").write_text("".join(f"class {index}\n" for index in range(len(weights["fc.bias"]))))
    (folder / "preprocess.json").write_text(json.dumps(PREPROCESS))
    return folder


def scales_of(weights: Tensors) -> Scales:
    """A scale for each value of the network in 8-bit integers: it holds what a random image gives in float64."""
    image = random_image(LISTED[0], 0)
    values = reference(ROOT).network(weights, image) | {"image": image}
    ends = {name: (values[name].min(), values[name].max()) for name in scales.names()}
    return {name: ranges.whole_range(*ends[name], scales.is_signed(name)) for name in ends}


def in_whole_numbers(weights: Tensors, image: np.ndarray, known: Scales | None = None) -> np.ndarray:
    """The logits, float32 (classes,), of the network in 8-bit integers: what its versions must give, bit for bit.

    `known`: its scales, by default those of `scales_of`.
    """
    return QuantisedNetwork(weights, known or scales_of(weights))(image)


def reference(root: Path) -> ModuleType:
    """The float64 network that the versions' own tests compare with; all of them have the same file."""
    path = min(root.glob("versions/[0-9][0-9]_*/tests/contract/reference.py"))
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
