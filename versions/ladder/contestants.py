"""Who takes part in a benchmark: versions, each with as many threads as it is to have."""

from collections.abc import Iterable
from dataclasses import dataclass

from ladder.versions import Version


@dataclass(frozen=True)
class Contestant:
    """A version, run with so many threads; a version that knows no threads runs with one."""

    version: Version
    threads: int = 1

    @property
    def name(self) -> str:
        """The version's name, with the threads where that version has a choice: `08_threads@2`."""
        return f"{self.version.name}@{self.threads}" if self.version.threads else self.version.name


def contestants(versions: Iterable[Version], threads: Iterable[int]) -> list[Contestant]:
    """Each version, once for each number of threads if it declares `threads`."""
    counts = sorted(set(threads))
    return [Contestant(version, count) for version in versions for count in (counts if version.threads else [1])]


def predecessor(one: Contestant, others: list[Contestant]) -> Contestant | None:
    """The version before this one, with as many threads if it can have them, else with one; None if it is not there."""
    before = {other.threads: other for other in others if other.version.name == one.version.previous}
    return before.get(one.threads) or before.get(1)
