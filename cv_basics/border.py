"""What lies beyond the edge of a picture: a rule maps an index outside it to one inside.

    reflect_101   d c b | a b c d | c b a    the blurs: the edge pixel is the mirror and is not repeated
    replicate     a a a | a b c d | d d d    Sobel and the median: the edge pixel is repeated

OpenCV's names are BORDER_REFLECT_101 and BORDER_REPLICATE. Mirroring continues a slope as far as a blur can see, so
that a blurred edge gets neither darker nor lighter. It would be wrong for Sobel, whose difference across the mirror
is 0 whatever the picture does there; with the edge pixel replicated, half of the slope is left.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Rule = Callable[[int, int], int]
Number = TypeVar("Number", bound=np.generic)


def reflect_101(index: int, length: int) -> int:
    """The mirror image, in a row of `length` pixels, of `index`, which may lie any distance outside."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    folded = index % period
    return min(folded, period - folded)


def replicate(index: int, length: int) -> int:
    """The index nearest, in a row of `length` pixels, to `index`, which may lie any distance outside."""
    return min(max(index, 0), length - 1)


def extend(values: npt.NDArray[Number], before: int, after: int, axis: int, rule: Rule) -> npt.NDArray[Number]:
    """Add `before` slices at the start of an axis and `after` at its end, filled by `rule`."""
    length = values.shape[axis]
    head = np.array([rule(index, length) for index in range(-before, 0)], np.intp)
    tail = np.array([rule(index, length) for index in range(length, length + after)], np.intp)
    return np.concatenate([values.take(head, axis), values, values.take(tail, axis)], axis)
