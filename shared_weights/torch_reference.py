"""What torchvision itself computes: the reference for every version.

Needs torch and torchvision. Nothing here is shared with the versions: the picture is prepared by
torchvision's own transforms and the network is torchvision's ResNet-50, run in float64, whose rounding
errors are 2**29 times smaller than those of float32.
"""

from os import PathLike
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image, ImageOps
from rich.progress import track
from torchvision import transforms
from torchvision.models import resnet50

from . import strict_json, tensor_file
from .golden import SMALL, pictures, thinned
from .sets import load as load_set

StrPath = str | PathLike[str]


def model(folder: StrPath) -> torch.nn.Module:
    """torchvision's ResNet-50 with the weights of the set in `folder`: float64, for inference.

    From then on torch computes with one thread, so that the order of its sums, and with it the last bits of
    the golden files, does not depend on the number of cores. Raises `WeightSetError`.
    """
    state, labels = load_set(Path(folder))
    network = resnet50(num_classes=len(labels)).double()
    counters = {name: value for name, value in network.state_dict().items() if name not in state}
    network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()} | counters)
    torch.set_num_threads(1)
    return network.eval()


def prepare(picture: StrPath, folder: StrPath) -> np.ndarray:
    """A picture file as the array that the network takes: float32 (H, W, 3), normalised.

    torchvision's transforms carry out the preprocess.json in `folder` on a Pillow image. Raises
    `ValueError` if the picture is too small for a step that crops it.
    """
    rules = strict_json.loads((Path(folder) / "preprocess.json").read_text())
    image = load(picture)
    for step in rules["steps"]:
        image = _transform(step, image, transforms.InterpolationMode(rules["filter"]))(image)
    finish = transforms.Compose([transforms.ToTensor(), transforms.Normalize(rules["mean"], rules["std"])])
    return np.ascontiguousarray(finish(image).permute(1, 2, 0).numpy())


def load(picture: StrPath) -> Image.Image:
    """A picture file as 8-bit RGB: upright, alpha laid over white, 16-bit grey scaled, first frame only."""
    with Image.open(picture) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            wide = np.asarray(image).astype(np.uint32)
            clear = wide == image.info.get("transparency", -1)
            return Image.fromarray(np.where(clear, 255, (wide + 128) // 257).astype(np.uint8)).convert("RGB")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def logits(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    """The network's logits, float64 (classes,), for a prepared picture, float32 (H, W, 3)."""
    batch = torch.from_numpy(image).double().permute(2, 0, 1).unsqueeze(0)
    with torch.inference_mode():
        return network(batch).squeeze(0).numpy()


def write_golden(folder: StrPath, pics: StrPath) -> Path:
    """Write `golden.safetensors` into the set in `folder`: the logits of every picture below `pics`.

    An entry is float64 (classes,) under the picture's path; `chelsea.png@32` is that picture thinned to
    32 x 32 pixels. The metadata are the weights' SHA-256 and the versions of torch and torchvision.
    """
    folder, pics = Path(folder), Path(pics)
    network, golden = model(folder), {}
    for name in track(pictures(pics), f"torchvision on {folder.name}", transient=True):
        image = prepare(pics / name, folder)
        golden[name] = logits(network, image)
        if name == SMALL:
            golden[f"{name}@32"] = logits(network, thinned(image))
    tensor_file.write(
        folder / "golden.safetensors",
        golden,
        {
            "weights_sha256": tensor_file.sha256(folder / "weights.safetensors"),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    )
    return folder / "golden.safetensors"


def _transform(step: list, image: Image.Image, interpolation: transforms.InterpolationMode):
    """torchvision's transform for one step of a preprocess.json."""
    match step:
        case ["resize", side]:
            return transforms.Resize((side, side), interpolation)
        case ["resize_shorter", side]:
            return transforms.Resize(side, interpolation)
        case ["center_square"]:
            return transforms.CenterCrop(min(image.size))
        case ["center_crop", side] if side <= min(image.size):
            return transforms.CenterCrop(side)
        case ["center_crop", side]:  # torchvision would put a black border around it
            raise ValueError(f"{image.width} x {image.height} pixels are too few to crop {side} x {side}")
        case _:
            raise ValueError(f"no such preprocessing step: {step}")
