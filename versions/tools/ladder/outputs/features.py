"""`features`: draws what the network sees in a picture: the feature maps after the stem and after each stage."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladder.core import environment, terminal, weights
from ladder.core.environment import variables
from ladder.core.errors import LadderError
from ladder.core.selection import one_or_newest
from ladder.core.terminal import printable
from ladder.inside import program
from ladder.outputs import feature_figure
from ladder.outputs.naming import likeliest

TOP = 5
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True)
class Seen:
    """A version's results for a picture.

    `image`: the network's input, float32 (H, W, 3), normalised; `logits`: float32 (classes,); `maps`: stage -> its
    output, float32 (H, W, channels), in the order of the stages.
    """

    image: np.ndarray
    logits: np.ndarray
    maps: dict[str, np.ndarray]


def features(
    root: Path, picture: Path, version: str | None, weight_set: str | None, channels: int, out: Path | None = None
) -> int:
    """Draw the `channels` strongest feature maps of each stage and print the figure's path. Returns 0.

    `out`: the figure's file, by default build/features/NAME.png after the picture.
    Raises LadderError if the picture, the version or the weights can't be used, or if the output is not finite.
    """
    chosen = one_or_newest(root, version)
    folder = weights.find(weight_set)
    python = environment.python(chosen)
    terminal.note(f"version {chosen.name}, weights {weights.describe(folder, weight_set)}")
    with terminal.working("looking at the picture"):
        seen = see(chosen.name, python, folder, picture)
    labels = weights.read_labels(folder)
    if seen.logits.shape != (len(labels),):
        raise LadderError(f"{chosen.name} gave logits of shape {seen.logits.shape} for {len(labels)} labels")
    if not np.isfinite(seen.logits).all():
        raise LadderError(f"{picture}: the network's output is not finite, so there is no label to name")
    target = out or root / "build" / "features" / f"{picture.stem}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    title = printable(f"{picture.name}, as {chosen.name} sees it (weights {folder.name})")
    shown = displayed(seen.image, folder)
    feature_figure.draw(title, shown, likeliest(seen.logits, labels, TOP), seen.maps, channels, target)
    console = terminal.output()
    if folder.name == "synthetic":
        console.print(weights.MEANINGLESS)
    console.print(printable(str(target)), markup=False, soft_wrap=True)
    return 0


def see(name: str, python: Path, folder: Path, picture: Path) -> Seen:
    """Run a version on a picture file; raises LadderError with the version's own message if it rejects the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "seen.npz"
        command = [str(python), program("feature_maps"), str(folder), str(picture.absolute()), str(target)]
        done = subprocess.run(command, env=variables(), capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode:
            words = done.stderr.strip().splitlines() or ["(no word on stderr)"]
            raise LadderError(words[-1] if done.returncode == 2 else f"{name} failed: {words[-1]}")
        with np.load(target) as arrays:
            maps = {stage: arrays[stage] for stage in STAGES}
            return Seen(arrays["image"], arrays["logits"], maps)


def displayed(image: np.ndarray, folder: Path) -> np.ndarray:
    """The normalised image (H, W, 3) in colours from 0 to 1, by undoing the normalisation of preprocess.json.

    The file needs no check here, since the version has already read and checked it.
    """
    settings = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))
    return np.clip(image * settings["std"] + np.array(settings["mean"]), 0, 1)
