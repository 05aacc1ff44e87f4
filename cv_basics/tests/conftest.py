"""Pictures to test on: those in pics/, and random, smooth and two-valued ones of any size."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from cv_basics.files import read_picture
from cv_basics.picture import Picture

ROOT = Path(__file__).parents[2]
PICTURE_FILES = sorted(path for path in (ROOT / "pics").rglob("*") if path.suffix in {".jpg", ".png"})

settings.register_profile("pictures", deadline=None, print_blob=True, max_examples=60)
settings.load_profile("pictures")


@pytest.fixture(params=PICTURE_FILES, ids=lambda path: path.name)
def photograph(request: pytest.FixtureRequest) -> Picture:
    """Each picture in pics/ in turn."""
    return read_picture(request.param)


def make_picture(kind: str, height: int, width: int, channels: int, seed: int) -> Picture:
    """A picture (H, W) or (H, W, 3) of random noise, of smooth waves, of black and white only, or of one level."""
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    if kind == "random":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "two-valued":
        return rng.integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)
    if kind == "even":
        return np.full(shape, rng.integers(0, 256), np.uint8)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / rng.uniform(2, 9) + phase) * np.cos(y / rng.uniform(2, 9)) for phase in range(channels)]
    return np.rint(127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8).reshape(shape)


@st.composite
def pictures(draw: st.DrawFn, channels: tuple[int, ...] = (1, 3), largest: int = 24) -> Picture:
    """Any picture from 1 x 1 to `largest` x `largest`, thin ones more often than by chance."""
    side = st.one_of(st.sampled_from([1, 2, 3]), st.integers(1, largest))
    kind = draw(st.sampled_from(["random", "smooth", "two-valued", "even"]))
    return make_picture(kind, draw(side), draw(side), draw(st.sampled_from(channels)), draw(st.integers(0, 2**32 - 1)))
