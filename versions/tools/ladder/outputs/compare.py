"""`compare`: compares every version's logits on pics/ with torchvision's, from golden files, and with one another."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.pictures import read_truth
from ladder.core.precompiled import precompiled
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.core.worker import prepared
from ladder.outputs import agreement, distance
from ladder.outputs.agreement import Trial
from shared_weights.golden import thinned
from shared_weights.tensor_file import sha256

SETS = ("cifar10", "synthetic")
SMALL = "chelsea.png@32"  # the only input for slow versions: a picture subsampled to 32 x 32 pixels
UNKNOWN = np.empty(0)
RENEW = "renew it with `nox -s reference -- --write`"


def compare(root: Path, names: Sequence[str], folders: Iterable[Path] | None = None) -> int:
    """Print a table for each weight set; the exit code is 1 if a version exceeds its tolerance.

    `folders`: the weight sets, by default the two that need no download, and imagenet if it is there, of which
    torchvision's logits may be missing. Raises LadderError if a golden file was not made for the current weights and
    pictures. A version in 8-bit integers may be as far from torchvision as its scales allow, see distance.py.
    """
    versions = select(root, names)
    complaints = []
    for folder in folders or weights.present(SETS):
        pictures = sorted(read_truth(root / "pics"))
        alone = folder.name == "imagenet" and not (folder / "golden.safetensors").exists()
        golden = dict.fromkeys((*pictures, SMALL), UNKNOWN) if alone else read_golden(folder, pictures)
        with tempfile.TemporaryDirectory() as scratch:
            trials = trials_of(golden, root / "pics", small_input(versions[-1], folder, root / "pics", Path(scratch)))
            with precompiled(versions):
                outputs, refused = agreement.run(versions, folder, trials)
            report = agreement.report_alone if alone else agreement.report
            complaints += refused + report(f"weights {folder.name}", versions, outputs, trials)
            complaints += [] if alone else distance.show(versions, folder, trials, outputs)
    for complaint in complaints:
        terminal.note(f"ladder: {complaint}")
    return 1 if complaints else 0


def read_golden(folder: Path, pictures: Iterable[str]) -> dict[str, np.ndarray]:
    """torchvision's logits, float64 (classes,), for these pictures and SMALL; other entries are left out.

    Raises LadderError if the file is missing or damaged, lacks a picture, or was made from other weights.
    """
    path = folder / "golden.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = set(file.keys())
            golden = {name: file.get_tensor(name) for name in (*pictures, SMALL) if name in names}
    except (OSError, SafetensorError) as error:
        raise LadderError(f"{path} cannot be read: {error}; {RENEW}") from None
    if metadata.get("weights_sha256") != sha256(folder / "weights.safetensors"):
        raise LadderError(f"{path} was not made from the weights beside it; {RENEW}")
    for name in (*pictures, SMALL):
        if name not in golden:
            raise LadderError(f"{path} has no logits for {name}; {RENEW}")
        if not np.isfinite(golden[name]).all():
            raise LadderError(f"{path}: the logits of {name} are not finite; {RENEW}")
    return golden


def small_input(version: Version, folder: Path, pics: Path, scratch: Path) -> Path:
    """An `.npy` file in `scratch` with the array of SMALL: the picture as `version` prepares it, subsampled."""
    picture = pics / SMALL.removesuffix("@32")
    [image] = prepared(version.name, environment.python(version), folder, [picture])
    np.save(scratch / "small.npy", thinned(image))
    return scratch / "small.npy"


def trials_of(golden: dict[str, np.ndarray], pics: Path, small: Path) -> list[Trial]:
    """A trial for each golden entry."""
    return [
        Trial(name, small if name == SMALL else pics / name, expected, small=name == SMALL)
        for name, expected in golden.items()
    ]
