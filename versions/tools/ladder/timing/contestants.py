"""The contestants of a benchmark: versions and their peers, each with a number of threads."""

from collections.abc import Iterable
from dataclasses import dataclass

from ladder.core.versions import Version
from ladder.timing.conditions import sources


@dataclass(frozen=True)
class Contestant:
    """A version, or a peer (a library that runs the same network), with its number of threads.

    `label`: its name in the table; `idea`: a version's idea, or how a peer is run; `version`: None for a peer;
    `sources`: a digest of the version's, or how a peer is run; `int8`: whether it computes in 8-bit integers.
    """

    label: str
    idea: str
    version: Version | None
    threads: int = 1
    sources: str = ""
    int8: bool = False

    @property
    def name(self) -> str:
        """The label, with the number of threads if there is a choice: `08_threads@2`."""
        return f"{self.label}@{self.threads}" if self.version is None or self.version.threads else self.label


def contestants(versions: Iterable[Version], threads: Iterable[int]) -> list[Contestant]:
    """Each version, once for each number of threads if it declares `threads`."""
    counts = sorted(set(threads))
    return [
        Contestant(version.name, version.idea, version, count, sources(version), version.int8)
        for version in versions
        for count in (counts if version.threads else [1])
    ]


def rival(one: Contestant, others: list[Contestant]) -> Contestant | None:
    """The contestant that `one` is compared with, with as many threads if there is such a one, else with one thread.

    A version is compared with the one that it changes, or with the newest earlier one if that does not compete; a peer
    with the newest of those that compute in the same numbers, float32 or 8-bit integers, or of all if none does. None
    if there is no such version.
    """
    versions = [other for other in others if other.version]
    alike = [other for other in versions if other.int8 == one.int8]
    newest = max((other.label for other in alike or versions), default=None)
    if one.version and not any(other.label == one.version.previous for other in versions):
        name = max((other.label for other in versions if other.label < one.label), default=None)
    else:
        name = one.version.previous if one.version else newest
    found = {other.threads: other for other in others if other.version and other.label == name}
    return found.get(one.threads) or found.get(1)
