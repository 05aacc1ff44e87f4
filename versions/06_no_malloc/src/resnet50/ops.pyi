"""ResNet-50 as a program in C: its operators, one after the other, over one arena; see plan.py."""

from typing import TypeAlias

import numpy as np

def require_processor() -> None:
    """Raises `UnsupportedProcessor` if this one lacks AVX2 or FMA."""

# Operator; places of output, x and y in the arena; sizes; weights.
_Step: TypeAlias = tuple[str, int, int, int, tuple[int, ...], tuple[np.ndarray, ...]]

class Program:
    """Steps over an arena of `floats` numbers; `input`, `output`: (place, size). Raises `ValueError`, `TypeError`."""

    def __init__(
        self, floats: int, input: tuple[int, int], output: tuple[int, int], steps: tuple[_Step, ...]
    ) -> None: ...
    def run(
        self, arena: np.ndarray, input: np.ndarray, output: np.ndarray, seconds: np.ndarray | None = None, /
    ) -> None:
        """The whole network, without the interpreter lock; writes into `seconds`, float32, how long each step took."""

    def run_step(self, arena: np.ndarray, index: int, /) -> None: ...
