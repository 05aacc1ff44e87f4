"""`quantisation.json`: the scale and the zero point of every value that a quantised ResNet-50 keeps in 8 bits.

A byte q stands for the number (q - zero_point) * scale. The file has what cannot be computed from the weights; what
can (the weights' own scales, the biases) is in quantised.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import strict_json
from .architecture import layers
from .sets import WeightSetError
from .tensor_file import appearing_whole

FILE = "quantisation.json"
LARGEST_FILE = 1 << 16  # bytes; 70 entries take 4 kB
SIGNED = (
    "image",
    "bn3",
    "downsample.1",
)  # these may be negative: no ReLU has gone before


@dataclass(frozen=True)
class Scale:
    """A value's scale, a normal positive float32, and zero point, 0 to 255."""

    scale: np.float32
    zero_point: int = 0


def names() -> list[str]:
    """The values' names in the order of the network: `image`, and the layers whose outputs are kept in 8 bits."""
    kept = ("maxpool", "relu1", "relu2", "bn3", "downsample.1", "relu3", "avgpool")
    return ["image", *(layer.name for layer in layers() if ending(layer.name) in kept)]


def ending(name: str) -> str:
    """A layer's name without its block's: `layer1.0.downsample.1` -> `downsample.1`."""
    return name.split(".", 2)[-1] if name.startswith("layer") else name


def is_signed(name: str) -> bool:
    """Whether the value may have another zero point than 0."""
    return ending(name) in SIGNED


def read(folder: Path) -> dict[str, Scale]:
    """Every value's scale in the set in `folder`, in the order of the network.

    Raises `OSError`, or `WeightSetError`, which names the command that writes the file if there is none.
    """
    path = folder / FILE
    if not path.exists():
        raise WeightSetError(f"{path} is missing: nox -s weights -- quantise {folder} --pictures FOLDER writes it")
    if not path.is_file():  # opening a pipe would wait for a writer
        raise WeightSetError(f"{path}: not a file")
    with open(path, "rb") as file:
        text = file.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise WeightSetError(f"{path}: has more than {LARGEST_FILE} bytes")
    try:
        content = strict_json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightSetError(f"{path}: not JSON that can be read: {error}") from None
    if not isinstance(content, dict):
        raise WeightSetError(f"{path}: not a JSON object")
    if others := content.keys() - set(names()):
        raise WeightSetError(f"{path}: {min(others)!r} is not a value of the network")
    return {name: _checked(path, name, content.get(name)) for name in names()}


def write(folder: Path, scales: Mapping[str, Scale]) -> Path:
    """Write the file, each scale as the shortest decimal that gives the same float32; it appears only when whole."""
    path = folder / FILE
    entries = [
        f'  "{name}": {{"scale": {float(str(scales[name].scale))!r}, "zero_point": {scales[name].zero_point}}}'
        for name in names()
    ]
    with appearing_whole(path) as partial:
        partial.write_text("{\n" + ",\n".join(entries) + "\n}\n", encoding="utf-8")
    return path


def _checked(path: Path, name: str, entry: object) -> Scale:
    """An entry of the file; raises `WeightSetError` unless it is a scale and a zero point, and nothing else."""
    if not isinstance(entry, dict) or entry.keys() != {"scale", "zero_point"}:
        raise WeightSetError(f"{path}: {name} must have a scale and a zero_point")
    scale, zero_point = entry["scale"], entry["zero_point"]
    least, largest = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
    if type(scale) not in (int, float) or not least <= scale <= largest:
        raise WeightSetError(f"{path}: {name}: the scale must be a positive number of float32's range")
    if type(zero_point) is not int or not 0 <= zero_point <= (255 if is_signed(name) else 0):
        allowed = "a whole number from 0 to 255" if is_signed(name) else "0, since nothing is negative after a ReLU"
        raise WeightSetError(f"{path}: {name}: the zero_point must be {allowed}")
    return Scale(np.float32(scale), zero_point)
