"""ResNet-50 as a program in C: its operators, one after the other, over one arena; see plan.py."""

from typing import TypeAlias, type_check_only

import numpy as np

def require_processor() -> None:
    """Raises `UnsupportedProcessor` if this one lacks AVX2 or FMA."""

def has_avx512_vnni() -> bool:
    """Whether this processor has AVX-512 VNNI too: the parts F, BW, VL and VNNI."""

def has_avx_vnni() -> bool:
    """Whether this processor has AVX-VNNI too."""

@type_check_only
class Kernel:
    """A compiled convolution: a capsule, which only Program opens."""

def load(path: bytes, /) -> Kernel:
    """The convolution in a library; raises `OSError`."""

@type_check_only
class Crew:
    """Threads that share the work until it is deleted: a capsule, which only Program opens."""

def crew(threads: int, spin: bool, /) -> Crew:
    """The caller is one of them; `spin`: they may busy-wait for a moment. Raises `ThreadsError`."""

def workers(crew: Crew, /) -> int:
    """How many threads a crew has, the caller among them."""

# Operator; places of output, x and scratch memory in the arena; the kernel, or the operator's sizes; the weights.
_Step: TypeAlias = tuple[str, int, int, int, tuple[int, ...] | Kernel, tuple[np.ndarray, ...]]

class Program:
    """Steps over an arena of `floats` numbers of four bytes; `input`, `output`: (place, size).

    `workers`: who has scratch memory.

    Raises `ValueError`, `TypeError`.
    """

    def __init__(
        self, floats: int, input: tuple[int, int], output: tuple[int, int], steps: tuple[_Step, ...], workers: int = 1
    ) -> None: ...
    def run(
        self, crew: Crew, arena: np.ndarray, input: np.ndarray, output: np.ndarray, seconds: np.ndarray | None = None, /
    ) -> None:
        """The whole network, without the interpreter lock; writes into `seconds`, float32, how long each step took."""

    def run_step(self, crew: Crew, arena: np.ndarray, index: int, /) -> None: ...
