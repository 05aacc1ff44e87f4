"""How far versions in 8-bit integers are from float32: as measured, as expected, and at most."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import numpy as np
from rich.table import Table

from ladder.core import environment, terminal
from ladder.core.versions import Version
from ladder.core.worker import prepared
from ladder.outputs.agreement import Outputs, Trial, shown
from shared_weights import scales, sets
from shared_weights.error_bounds import BoundedNetwork, numbers
from shared_weights.quantised import QuantisedNetwork

MOST_INPUTS = 6  # for which bounds are computed: that takes a second each at 64 x 64 pixels, twelve at 224 x 224
MOST_PIXELS = 1 << 17  # that are worked on at once: 32 pictures of 64 x 64 pixels


@dataclass
class Bounds:
    """What follows from the weights and the scales, for some inputs.

    `whole`: an input -> the most by which each logit can be wrong, and the square by which it is expected to be wrong.
    `nearest`: of all steps' results the one that comes nearest to the bound on what that step adds, and which share of
    it that is.
    """

    whole: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    nearest: tuple[float, str] = (0.0, "")


def show(versions: list[Version], folder: Path, trials: list[Trial], outputs: Outputs) -> list[str]:
    """Print a table for each version in 8-bit integers; returns a complaint for each broken bound.

    Of all trials MOST_INPUTS are looked at, at equal distances. Without scales in `folder` there are no bounds.
    """
    chosen = [version for version in versions if version.int8]
    if not chosen or not (folder / scales.FILE).exists():
        return []
    trials = trials[:: ceil(len(trials) / MOST_INPUTS)]
    found = bounds(folder, prepared_images(chosen[0], folder, trials))
    complaints = []
    for version in chosen:
        logits = outputs[version.name]
        own = [trial for trial in trials if trial.name in logits and logits[trial.name].shape == trial.expected.shape]
        if own:
            terminal.output().print(tabulate(version.name, folder.name, own, logits, found))
        complaints += [
            f"{version.name} is further from float32 on {trial.name} ({folder.name}) than its scales allow"
            for trial in own
            if not within(logits[trial.name] - trial.expected, found.whole[trial.name][0])
        ]
    share, step = found.nearest
    if share <= 1:
        terminal.output().print(f"No step alone adds a larger error than its bound; {step} comes nearest to it.")
    else:
        complaints.append(f"{step} ({folder.name}): this step in 8-bit integers adds {share:.3g} times its bound")
    return complaints


def prepared_images(version: Version, folder: Path, trials: list[Trial]) -> dict[str, np.ndarray]:
    """The arrays that the trials give to a network: those in .npy files, and pictures as the version prepares them."""
    pictures = [trial for trial in trials if trial.path.suffix != ".npy"]
    arrays = prepared(version.name, environment.python(version), folder, [trial.path for trial in pictures])
    images = {trial.name: np.load(trial.path) for trial in trials if trial.path.suffix == ".npy"}
    return images | {trial.name: array for trial, array in zip(pictures, arrays)}


def within(error: np.ndarray, most: np.ndarray) -> bool:
    """Whether no error is larger than its bound; NaN is."""
    return bool((np.abs(error) <= most).all())


def bounds(folder: Path, images: Mapping[str, np.ndarray]) -> Bounds:
    """The bounds for the set in `folder` and these prepared images, of which those of one size are done together."""
    state, _ = sets.load(folder)
    known = scales.read(folder)
    network, bounded, found = QuantisedNetwork(state, known), BoundedNetwork(state, known), Bounds()
    groups = grouped(images)
    with terminal.progress(f"{folder.name}: bounding the errors of 8 bits", len(groups)) as begin:
        for names in groups:
            begin(names[0])
            batch = np.stack([images[name] for name in names])
            logits = bounded.follow(batch)["fc"]
            found.whole |= dict(zip(names, zip(logits.most, logits.square)))
            real = numbers(network, batch)
            for step, value in bounded.follow(batch, real).items():
                share = value.share(real[step])
                if step != "fc" or share > 1:  # the logits are not rounded to bytes, so they always reach their bound
                    found.nearest = max(found.nearest, (share, step))
    return found


def grouped(images: Mapping[str, np.ndarray]) -> list[list[str]]:
    """The names of the images, in groups of one size that have MOST_PIXELS or less, or a single image."""
    groups: dict[tuple[tuple[int, ...], int], list[str]] = {}
    counts: dict[tuple[int, ...], int] = {}
    for name, image in images.items():
        height, width, _ = image.shape
        number = counts[image.shape] = counts.get(image.shape, -1) + 1
        groups.setdefault((image.shape, number // max(1, MOST_PIXELS // (height * width))), []).append(name)
    return list(groups.values())


def tabulate(version: str, weights: str, trials: list[Trial], logits: Mapping[str, np.ndarray], found: Bounds) -> Table:
    """The largest and the mean error of the logits, each relative to the largest logit of its input."""
    largest = [np.abs(trial.expected).max() for trial in trials]
    errors = [(logits[trial.name] - trial.expected) / size for trial, size in zip(trials, largest)]
    squares = [found.whole[trial.name][1] / size**2 for trial, size in zip(trials, largest)]
    most = max(float(found.whole[trial.name][0].max() / size) for trial, size in zip(trials, largest))
    table = terminal.table(f"weights {weights}: how far {version} is from float32, relative to the largest logit")
    table.add_column(f"errors of the logits, {len(trials)} inputs")
    for head in ("largest", "root mean square"):
        table.add_column(head, justify="right")
    mean_square = np.mean([np.mean(error**2) for error in errors])
    table.add_row("measured", shown(max(float(np.abs(error).max()) for error in errors)), shown(mean_square**0.5))
    table.add_row("expected, if no rounding depends on another", "", shown(float(np.mean(squares) ** 0.5)))
    table.add_row("possible, if all point the same way", shown(most), "")
    return table
