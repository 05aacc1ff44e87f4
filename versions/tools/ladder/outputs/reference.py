"""`reference`: compares every version with torchvision itself, run here and now in float64.

Versions in 8-bit integers are compared with ONNX Runtime as well, to the last bit.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.pictures import read_truth
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.core.worker import prepared
from ladder.outputs import agreement, distance, exactness
from ladder.outputs.agreement import Trial
from ladder.outputs.compare import SMALL, read_golden
from shared_weights.golden import thinned

if TYPE_CHECKING:
    import torch

SIZES = ((32, 32), (64, 64), (65, 97), (224, 224))  # height, width; 65 and 97 give odd sizes at every stride of 2

# The golden files and torch here may differ by float64's rounding: the versions' bound, scaled from float32's machine
# epsilon, 2**-23, to float64's, 2**-52.
GOLDEN_TOLERANCE = 2e-5 * 2.0 ** (23 - 52)


def reference(root: Path, write: bool) -> int:
    """Print a table for each weight set found here; the exit code is 1 if a version exceeds its tolerance.

    With `write` the golden files are first written again. Raises LadderError if torch or torchvision is missing.
    """
    try:
        from shared_weights import torch_reference
    except ModuleNotFoundError as error:
        raise LadderError(f"this needs {error.name}: `nox -s reference` installs it") from None
    selected = select(root, (), int8=True)
    pics, complaints = root / "pics", []
    for folder in weights.present(("cifar10", "synthetic")):
        versions = exactness.able(selected, folder)
        if write:
            torch_reference.write_golden(folder, pics)
        model = torch_reference.model(folder)
        images = {name: torch_reference.prepare(pics / name, folder) for name in sorted(read_truth(pics))}
        for version in versions:
            complaints += check_preparation(version, folder, pics, images)
        with tempfile.TemporaryDirectory() as scratch:
            trials = trials_of(model, images, pics, Path(scratch))
            complaints += check_golden(folder, images, trials)
            outputs, refused = agreement.run(versions, folder, trials)
            complaints += refused + agreement.report(f"weights {folder.name}", versions, outputs, trials)
            complaints += exactness.check(versions, folder, trials, images, outputs)
            complaints += distance.show(versions, folder, trials, outputs)
    for complaint in complaints:
        terminal.note(f"ladder: {complaint}")
    return 1 if complaints else 0


def trials_of(model: "torch.nn.Module", images: dict[str, np.ndarray], pics: Path, scratch: Path) -> list[Trial]:
    """All pictures; the subsampled one for slow versions; and seeded random images of SIZES."""
    from shared_weights import torch_reference

    arrays = {SMALL: thinned(images[SMALL.removesuffix("@32")])}
    for height, width in SIZES:
        generator = np.random.default_rng([height, width])
        arrays[f"random {height}x{width}"] = generator.standard_normal((height, width, 3), dtype=np.float32)
    trials = []
    with terminal.progress("torchvision: running", len(images) + len(arrays)) as begin:
        for name, image in (images | arrays).items():
            begin(name)
            path = pics / name
            if name in arrays:
                path = scratch / f"{name}.npy"
                np.save(path, image)
            trials.append(Trial(name, path, torch_reference.logits(model, image), small=name == SMALL))
    return trials


def check_preparation(version: Version, folder: Path, pics: Path, images: dict[str, np.ndarray]) -> list[str]:
    """A complaint for each picture that the version prepares differently from torchvision's transforms."""
    found = prepared(version.name, environment.python(version), folder, [pics / name for name in images])
    return [
        f"{version.name} prepares {name} for {folder.name} differently from torchvision"
        for (name, image), own in zip(images.items(), found, strict=True)
        if not np.array_equal(own, image)
    ]


def check_golden(folder: Path, pictures: Iterable[str], trials: list[Trial]) -> list[str]:
    """A complaint for each golden entry that differs from torchvision's output here."""
    golden = read_golden(folder, pictures)
    return [
        f"{folder / 'golden.safetensors'}: {trial.name} differs from torchvision's output here"
        for trial in trials
        if trial.name in golden
        and agreement.difference(golden[trial.name], trial.expected, trial.expected) > GOLDEN_TOLERANCE
    ]
