"""What a version saw in a picture: its last feature map, and where in it the evidence for a class lies."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ladder.core.errors import InferenceError
from ladder.core.worker import Answer
from ladder.inside import program
from ladder.outputs.loading import TellingWorker

STRIDE = 32  # pixels of the network's input from one place of the last feature map to the next


@dataclass(frozen=True)
class View(Answer):
    """An answer, and what it was made from.

    `thumbnail`: the picture, uint8 (h, w, 3); `image`: the network's input, float32 (H, W, 3), normalised; `features`:
    the last feature map, float32 (rows, columns, channels).
    """

    thumbnail: np.ndarray
    image: np.ndarray
    features: np.ndarray


class Viewer(TellingWorker):
    """A version that shows what it sees, too."""

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program that tells, and with it the one that sees."""
        return [program("telling"), program("last_features"), str(weights), str(size)]

    def infer(self, picture: Path | None = None) -> View:
        """The network's answer to a picture file; raises InferenceError if the version rejects it."""
        if picture is None:
            raise InferenceError("a viewer needs a picture")
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "seen.npz"

            def parse(answer: dict[str, Any]) -> View:
                with np.load(target) as arrays:
                    return View(**vars(Answer.parse(answer)), **arrays)

            return self.ask(json.dumps({"picture": str(picture.absolute()), "target": str(target)}), parse)


@dataclass(frozen=True)
class Evidence:
    """Where a class was seen: its logit is the mean of `places`, float64 (rows, columns), plus `bias`.

    The average pool is a mean over the places, and the linear layer a weighted sum over the channels: which of the two
    comes first makes no difference. (Zhou et al., "Learning deep features for discriminative localization", 2016,
    section 2.) In a version in 8-bit integers each of the two also rounds, so there it holds nearly.
    """

    places: np.ndarray
    bias: float

    @classmethod
    def of(cls, features: np.ndarray, weight: np.ndarray, bias: float) -> Self:
        """The evidence in a feature map (rows, columns, channels) for the class with this `weight` (channels,)."""
        return cls(features.astype(np.float64) @ weight.astype(np.float64), bias)

    @property
    def logit(self) -> float:
        """The class's logit, computed in float64."""
        return float(self.places.mean()) + self.bias

    def spread(self, height: int, width: int) -> np.ndarray:
        """The evidence for each pixel of the network's input, (height, width): that of the nearest place.

        The place in row r and column c looks at what is around the pixel (32 r, 32 c): every kernel is centred, and
        five strides of 2 make 32.
        """
        rows, columns = (np.arange(size) + STRIDE // 2 for size in (height, width))
        down, across = (np.minimum(at // STRIDE, n - 1) for at, n in zip((rows, columns), self.places.shape))
        return self.places[np.ix_(down, across)]
