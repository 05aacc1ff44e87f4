"""Stand-ins for versions, which answer at once and as they are told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from ladder.core.versions import ROOT, Version
from scrutiny import networks

Spoil = Callable[[np.ndarray], np.ndarray]


class Fake:
    """A process that answers with float64's logits in float32, or what `spoil` makes of them."""

    def __init__(self, spoil: Spoil = lambda logits: logits) -> None:
        self.spoil = spoil
        self.asked: list[int | None] = []

    def infer(self, weights: Path, images: list[np.ndarray], threads: int | None = None) -> list[np.ndarray]:
        self.asked.append(threads)
        tensors, float64 = load_file(weights / "weights.safetensors"), networks.reference(ROOT)
        with np.errstate(all="ignore"):
            answers = [float64.network(tensors, image)["fc"].astype(np.float32) for image in images]
        return [self.spoil(logits) for logits in answers]


@pytest.fixture
def version(tmp_path: Path) -> Version:
    """A version whose folder is empty."""
    return Version(tmp_path / "01_one", "resnet50-01-one", "none")
