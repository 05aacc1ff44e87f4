"""The `imagenet` set: torchvision's trained ResNet-50, exported. Needs torch and torchvision."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import torch
from torchvision.models import ResNet50_Weights

from . import tensor_file
from .sets import WeightSetError, checked

PATIENCE = 30  # seconds without a byte until a download counts as failed; urllib by default waits forever


def export(folder: Path, weights: ResNet50_Weights = ResNet50_Weights.IMAGENET1K_V2) -> Path:
    """Write torchvision's `weights` as a weight set into `folder`, replacing what is there.

    The checkpoint is taken from torch's cache if it is there, else torchvision downloads it. `folder`
    changes only when the new set is complete. Raises `WeightSetError`.
    """
    categories = weights.meta["categories"]
    state = {name: tensor.float().numpy() for name, tensor in _checkpoint(weights).items()}
    state = checked(state, len(categories), weights.url)
    with _replacing(folder) as new:
        tensor_file.write(new / "weights.safetensors", state, {"source": f"torchvision {weights}"})
        (new / "labels.txt").write_text("".join(f"{label}\n" for label in categories), encoding="utf-8")
        (new / "preprocess.json").write_text(json.dumps(preprocessing(weights), indent=2) + "\n")
    return folder


def preprocessing(weights: ResNet50_Weights) -> dict[str, object]:
    """The weights' own transforms, as the content of a preprocess.json."""
    rules = weights.transforms()
    (shorter,), (side,) = rules.resize_size, rules.crop_size
    return {
        "steps": [["resize_shorter", shorter], ["center_crop", side]],
        "filter": rules.interpolation.value,
        "mean": rules.mean,
        "std": rules.std,
    }


def _checkpoint(weights: ResNet50_Weights) -> dict[str, torch.Tensor]:
    """torchvision's state dict, from torch's cache or downloaded."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(weights.url).path).name
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        state = weights.get_state_dict(check_hash=True, weights_only=True)
        if not (isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values())):
            raise TypeError("it holds no state dict")
        return state
    except Exception as error:  # unpickling a damaged checkpoint may raise anything
        reason = " ".join(str(error).split())
        if cached.is_file():
            raise WeightSetError(
                f"{cached}: not a checkpoint that torch can read; delete it to have it downloaded again ({reason})"
            ) from error
        raise WeightSetError(
            f"{weights.url} could not be downloaded ({reason}); without a network, put that file into {cached.parent}"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which replaces `folder` if all goes well."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as workspace:
        new = Path(workspace) / "new"
        new.mkdir()
        yield new
        if folder.exists():
            os.rename(folder, Path(workspace) / "old")
        os.rename(new, folder)
