"""The memory bandwidth of some of this machine's cores, measured by copying."""

from dataclasses import dataclass, field

import numpy as np

from ladder.machine.peak import together

BYTES = 128_000_000  # size of the copied array: larger than the caches, and copied in about 10 ms


@dataclass
class Bandwidth:
    """A copy from one large array to another, and the bytes per second that it has reached so far.

    Bytes read and bytes written both count, as for the layers. Bytes that a store first fetches from memory, only to
    overwrite them, do not count. `threads`: how many cores copy together, each its own part; one number or several.
    `rates`: such a number -> bytes per second, one for each call of `measure`.
    """

    threads: tuple[int, ...] = (1,)
    rates: dict[int, list[float]] = field(default_factory=dict)
    source: np.ndarray = field(default_factory=lambda: np.ones(BYTES, np.uint8))
    target: np.ndarray = field(default_factory=lambda: np.ones(BYTES, np.uint8))  # written, so that its pages exist

    def measure(self) -> None:
        """Copy once with each number of cores."""
        for count in self.threads:
            parts = list(zip(np.array_split(self.source, count), np.array_split(self.target, count)))

            def copy(parts: list[tuple[np.ndarray, np.ndarray]] = parts) -> None:
                source, target = parts.pop()
                np.copyto(target, source)  # NumPy releases the interpreter lock during the copy

            self.rates.setdefault(count, []).append(2 * self.source.nbytes / together(count, copy))

    def best(self) -> dict[int, float]:
        """Number of cores -> the most bytes per second that they reached: an upper bound for anything else."""
        return {count: max(rates) for count, rates in self.rates.items()}
