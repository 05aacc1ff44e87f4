"""The `imagenet` set: torchvision's trained ResNet-50, read from its checkpoint without torch.

The addresses, the preparation and the labels are those that torchvision 0.29 states
(torchvision/models/resnet.py and _meta.py); `nox -s reference` compares them with its own.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from . import foreign_names, sets, tensor_file
from .download import download
from .sets import WeightSetError

SERVER = "https://download.pytorch.org/models/"
LABELS = Path(__file__).with_name("imagenet_labels.txt")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@dataclass(frozen=True)
class Published:
    """Weights that torchvision publishes: their name there, how the file's SHA-256 begins, and their preparation."""

    name: str
    sha256: str
    shorter: int  # pixels of a picture's shorter side, before the centre is cut out
    side: int = 224

    @property
    def file(self) -> str:
        """The checkpoint's file name."""
        return f"resnet50-{self.sha256}.pth"

    @property
    def url(self) -> str:
        """Where the checkpoint is."""
        return SERVER + self.file


V1 = Published("IMAGENET1K_V1", "0676ba61", 256)
V2 = Published("IMAGENET1K_V2", "11ad3fa6", 232)


def export(folder: Path, weights: Published = V2, given: Path | None = None) -> Path:
    """Write torchvision's `weights` as a weight set into `folder`, replacing what is there.

    The checkpoint is the file `given`, else that in torch's cache, else it is downloaded to there. `folder` changes
    only when the new set is complete. Raises `WeightSetError`, or `OSError` where nothing can be written.
    """
    path = given or cached(weights)
    if not given:
        download(weights.url, path, weights.sha256)
    check_digest(path, weights, given is not None)
    state = foreign_names.read(path).in_float32()
    labels = LABELS.read_bytes()
    state = sets.checked(state, labels.count(b"\n"), str(path))
    with sets.replacing(folder) as new:
        source = {"source": f"torchvision ResNet50_Weights.{weights.name}"}
        tensor_file.write(new / "weights.safetensors", state, source)
        (new / "labels.txt").write_bytes(labels)
        (new / "preprocess.json").write_text(json.dumps(preprocessing(weights.shorter, weights.side), indent=2) + "\n")
    return folder


def preprocessing(shorter: int, side: int, mean: list[float] = MEAN, std: list[float] = STD) -> dict[str, object]:
    """torchvision's preparation of a picture for classification, as the content of a preprocess.json."""
    return {
        "steps": [["resize_shorter", shorter], ["center_crop", side]],
        "filter": "bilinear",
        "mean": mean,
        "std": std,
    }


def cached(weights: Published) -> Path:
    """Where torch keeps the checkpoint once it has downloaded it (torch.hub.get_dir)."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(os.path.expanduser(home)) / "hub" / "checkpoints" / weights.file


def check_digest(path: Path, weights: Published, given: bool) -> None:
    """Raises `WeightSetError` unless the file is the published one."""
    if not path.is_file():
        raise WeightSetError(f"{path}: there is no such file")
    found = tensor_file.sha256(path)
    if not found.startswith(weights.sha256):
        remedy = "`nox -s weights -- import` takes other networks" if given else "delete it to have it downloaded again"
        raise WeightSetError(
            f"{path}: is not torchvision's {weights.name}: its SHA-256 begins with {found[:8]}, not {weights.sha256}; "
            f"{remedy}"
        )
