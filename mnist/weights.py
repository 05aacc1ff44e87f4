"""The network's parameters in a safetensors file."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mnist.errors import WeightsError
from mnist.files import write
from mnist.network import SHAPES, Parameters

LARGEST = 1 << 26  # bytes; a checkpoint, the largest file written here, has about a tenth of that
SHIPPED = Path(__file__).parent / "weights" / "digits.safetensors"


def save_tensors(file: Path, tensors: Parameters, about: dict) -> None:
    """Write tensors, and `about` as JSON in the file's metadata. Raises OutputError."""
    write(file, save(tensors, {"about": json.dumps(about)}))


def load_tensors(file: Path) -> tuple[Parameters, dict]:
    """The tensors and the `about` that save_tensors wrote. Raises WeightsError if the file is missing or damaged."""
    if not file.is_file():
        raise WeightsError(f"{file}: there is no such file")
    try:
        with file.open("rb") as opened:  # not mapped: if another process shortens the file, SIGBUS would kill this one
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return tensors, json.loads((header.get("__metadata__") or {}).get("about", "{}"))
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{file} is not a readable safetensors file: {error}") from error


def load_parameters(file: Path) -> tuple[Parameters, dict]:
    """The network's float32 parameters, and what the file says about them. Raises WeightsError."""
    parameters, about = load_tensors(file)
    check_parameters(parameters, str(file))
    return parameters, about


def check_parameters(parameters: Parameters, source: str) -> None:
    """Raises WeightsError unless these are exactly the network's parameters, in float32 and finite."""
    if parameters.keys() != SHAPES.keys():
        unexpected = ", ".join(sorted(parameters.keys() ^ SHAPES.keys()))
        raise WeightsError(f"{source} does not hold this network's weights: missing or unexpected: {unexpected}")
    for name, shape in SHAPES.items():
        value = parameters[name]
        if value.shape != shape or value.dtype != np.float32:
            raise WeightsError(f"{source}: {name} is {value.dtype} {list(value.shape)}, not float32 {list(shape)}")
        if not np.isfinite(value).all():
            raise WeightsError(f"{source}: {name} holds values that are not finite")
