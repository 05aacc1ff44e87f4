"""The tensors of this version: a memoryview of float32 values with a shape, and nothing else."""

from array import array
from collections.abc import Iterable


def tensor(values: Iterable[float], *shape: int) -> "memoryview[float]":
    """`values`, rounded to float32, in row-major order under `shape`; `.tolist()` gives nested lists of numbers."""
    return memoryview(array("f", values)).cast("B").cast("f", shape)
