"""The network's parameters in a safetensors file."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mnist.errors import WeightsError
from mnist.files import write
from mnist.network import SHAPES, Parameters

SHIPPED = Path(__file__).parent / "weights" / "digits.safetensors"


def save_tensors(file: Path, tensors: Parameters, about: dict) -> None:
    """Write tensors, and `about` as JSON beside them. Raises OutputError."""
    write(file, save(tensors, {"about": json.dumps(about)}))


def load_tensors(file: Path) -> tuple[Parameters, dict]:
    """What save_tensors wrote. Raises WeightsError if the file is missing or damaged."""
    if not file.is_file():
        raise WeightsError(f"{file}: there is no such file")
    try:
        with safe_open(file, "np") as tensors:
            about = json.loads((tensors.metadata() or {}).get("about", "{}"))
            return {name: tensors.get_tensor(name) for name in tensors.keys()}, about  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{file} is not a readable safetensors file: {error}") from error


def load_parameters(file: Path) -> tuple[Parameters, dict]:
    """The network's float32 parameters, and what the file says about them. Raises WeightsError."""
    parameters, about = load_tensors(file)
    check_parameters(parameters, str(file))
    return parameters, about


def check_parameters(parameters: Parameters, source: str) -> None:
    """Raises WeightsError unless these are exactly the network's parameters, in float32 and finite."""
    if parameters.keys() != SHAPES.keys():
        odd = ", ".join(sorted(parameters.keys() ^ SHAPES.keys()))
        raise WeightsError(f"{source} does not hold this network's weights: missing or unknown are {odd}")
    for name, shape in SHAPES.items():
        value = parameters[name]
        if value.shape != shape or value.dtype != np.float32:
            raise WeightsError(f"{source}: {name} is {value.dtype} {list(value.shape)}, not float32 {list(shape)}")
        if not np.isfinite(value).all():
            raise WeightsError(f"{source}: {name} holds values that are not finite")
