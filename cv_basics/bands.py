"""Whole-array arithmetic in bands of rows, so that its temporary arrays stay in the processor's cache.

An expression on a picture of 512 x 512 x 3 makes 32-bit temporaries of 3 MB each. They fall out of a 1 or 2 MB L2
cache, and the operating system hands out fresh, zeroed pages for each: more than half of the time went there.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cv_basics.picture import Picture, check_picture

Number = TypeVar("Number", bound=np.generic)

BAND_VALUES = 1 << 16  # 256 kB in 32 bits: a handful of temporaries fit into L2


def bands(picture: npt.NDArray[Any], min_rows: int = 1) -> Iterator[slice]:
    """Cut the rows of `picture` into slices of about BAND_VALUES values each, and of at least `min_rows` rows."""
    height = len(picture)
    rows = max(min_rows, BAND_VALUES * height // picture.size)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def by_bands(function: Callable[[Picture], Picture]) -> Callable[[Picture], Picture]:
    """Apply a pixel-wise function of an RGB picture (H, W, 3) to one band after the other."""

    @functools.wraps(function)
    def on_each_band(picture: Picture) -> Picture:
        picture = check_picture(picture, channels=(3,))
        return np.concatenate([function(picture[rows]) for rows in bands(picture)])

    return on_each_band


def planes(picture: Picture, dtype: type[Number]) -> npt.NDArray[Number]:
    """The channels of an (H, W, 3) picture as (3, H, W), each contiguous: left interleaved, every step of a computation
    would skip two numbers out of three and take twice as long."""
    return np.moveaxis(picture, -1, 0).astype(dtype, order="C")
