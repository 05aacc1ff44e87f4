"""Which inputs `golden.safetensors` covers: every picture, and one of them a second time, smaller."""

from pathlib import Path

import numpy as np

SUFFIXES = (".png", ".jpg")
SMALL = "chelsea.png"  # for versions that take half a minute for a whole picture; its entry is SMALL + "@32"
SMALL_SIDE = 32


def pictures(folder: Path) -> list[str]:
    """Every picture below `folder`, sorted, as a path relative to it with forward slashes."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in SUFFIXES)


def thinned(image: np.ndarray) -> np.ndarray:
    """Every n-th pixel of a prepared array (H, W, 3), so that 32 x 32 are left; of 64 x 64, every second one."""
    step = min(image.shape[:2]) // SMALL_SIDE
    return np.ascontiguousarray(image[::step, ::step][:SMALL_SIDE, :SMALL_SIDE])
