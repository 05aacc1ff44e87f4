"""Whether versions in 8-bit integers give ONNX Runtime's logits, to the last bit."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ladder.core import processor, terminal
from ladder.core.errors import LadderError
from ladder.core.versions import Version
from ladder.outputs.agreement import Logits, Outputs, Trial
from shared_weights import scales

VNNI = frozenset({"avx512_vnni", "avx_vnni"})


def able(versions: list[Version], folder: Path) -> list[Version]:
    """The versions that can run on the set in `folder`: those in 8-bit integers need its scales. Notes the others."""
    if (folder / scales.FILE).exists():
        return versions
    for version in versions:
        if version.int8:
            terminal.note(f"{version.name} is left out: {folder.name} has no {scales.FILE}")
    return [version for version in versions if not version.int8]


def check(
    versions: list[Version], folder: Path, trials: list[Trial], images: Mapping[str, np.ndarray], outputs: Outputs
) -> list[str]:
    """A complaint for each version in 8-bit integers and each trial with another logit than ONNX Runtime.

    Without VNNI there is none, but a note: ONNX Runtime's own sums are wrong then. `images`: the prepared pictures; the
    other trials' are in their files. Raises LadderError if onnx or onnxruntime is missing.
    """
    chosen = [version for version in versions if version.int8]
    if not chosen:
        return []
    if not processor.features() & VNNI:
        names = " and ".join(version.name for version in chosen)
        terminal.note(f"{names}: not compared with ONNX Runtime, whose sums of two products saturate without VNNI")
        return []
    expected = onnxruntime_logits(folder, {trial.name: array_of(trial, images) for trial in trials})
    return [
        f"{version.name} and ONNX Runtime differ in {count} of {len(logits)} logits on {name} ({folder.name})"
        for version in chosen
        for name, logits in outputs[version.name].items()
        if (count := int((logits != expected[name]).sum()))
    ]


def array_of(trial: Trial, images: Mapping[str, np.ndarray]) -> np.ndarray:
    """The prepared image of a trial, float32 (H, W, 3)."""
    return np.load(trial.path) if trial.path.suffix == ".npy" else images[trial.name]


def onnxruntime_logits(folder: Path, images: Mapping[str, np.ndarray]) -> Logits:
    """ONNX Runtime's logits, float32 (classes,), for each image: by its operators on bytes, with the set's scales."""
    try:
        from shared_weights import onnxruntime_reference, quantised_onnx
    except ModuleNotFoundError as error:
        raise LadderError(f"this needs {error.name}: `nox -s reference` installs it") from None
    found: Logits = {}
    with tempfile.TemporaryDirectory() as scratch, terminal.progress("ONNX Runtime: running", len(images)) as begin:
        for size in sorted({image.shape[:2] for image in images.values()}):
            path = Path(scratch) / "network.onnx"
            quantised_onnx.write(path, folder, size)
            network = onnxruntime_reference.session(path)
            for name, image in images.items():
                if image.shape[:2] == size:
                    begin(name)
                    found[name] = onnxruntime_reference.logits(network, image)
    return found
