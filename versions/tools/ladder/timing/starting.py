"""Starting the processes of a benchmark's contestants."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.versions import Version
from ladder.core.worker import Worker, load_twice
from ladder.outputs import agreement
from ladder.timing import peers
from ladder.timing.contestants import Contestant
from ladder.timing.neighbours import Taken
from ladder.timing.peers import Kit, PeerWorker
from ladder.timing.rounds import STARTS, Timings
from ladder.timing.work import share_done


@dataclass
class Field:
    """The started contestants with their processes, and what is measured of them.

    `load`: contestant -> seconds of its first and a later loading; `done`: version -> see `results.Line`; `priority`:
    see `conditions.priority`; `neighbours`: what they took, None if unknown; `interrupted`: by Ctrl-C.
    """

    stack: ExitStack
    report: Callable[[float, str], None]
    entries: list[Contestant] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    load: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    peers_agree: bool = True
    priority: str | None = None
    timings: Timings = field(default_factory=Timings)
    neighbours: Taken | None = None
    interrupted: bool = False

    def pids(self) -> list[int]:
        """The numbers of the contestants' processes."""
        return [worker.process.pid for worker in self.workers]

    def add(self, entry: Contestant, worker: Worker, load: tuple[float, float | None]) -> None:
        """Add a contestant that has been started."""
        self.entries.append(entry)
        self.workers.append(worker)
        self.load[entry.name] = load


def start_versions(
    started: Field, entries: list[Contestant], pythons: dict[str, Path], weights: Path, size: int
) -> None:
    """Start a worker for each version and number of threads; measure how long it takes to load, ask what it does."""
    shares: dict[str, float] = {}
    for entry in entries:
        started.report(0, f"loading {entry.name}")
        what = entry.name, pythons[entry.label], weights
        worker = started.stack.enter_context(Worker(*what, size=size, threads=entry.threads))
        # After the worker, which may have compiled code that later processes find in the cache.
        started.add(entry, worker, load_twice(*what, size, entry.threads))
        if entry.version and entry.label not in shares:
            shares[entry.label] = share_done(entry.version, pythons[entry.label], weights, size)
        started.done[entry.name] = shares[entry.label]


def start_again(field: Field, pythons: dict[str, Path], weights: Path, size: int) -> None:
    """Replace the versions' processes by new ones, with an inference each that does not count.

    Peers and slow versions keep theirs: they take seconds to load, and differ from others by more than processes do.
    """
    for index, entry in enumerate(field.entries):
        if entry.version and not entry.version.slow:
            field.report(len(field.timings.starts) / STARTS, f"starting {entry.name} again")
            field.workers[index].close()
            worker = Worker(entry.name, pythons[entry.label], weights, size=size, threads=entry.threads)
            field.workers[index] = field.stack.enter_context(worker)
            worker.infer()


def start_peers(started: Field, threads: Iterable[int], kit: Kit, size: int) -> None:
    """Start the peers that compute the same as the versions.

    A peer with other outputs is left out as an error (`peers_agree`), one that does not run with a note. How far one in
    8-bit integers is from ours is shown.
    """
    pairs = [(entry.version, worker) for entry, worker in zip(started.entries, started.workers) if entry.version]
    for peer in peers.contestants(threads, any(version.int8 for version, _ in pairs)):
        version, expected = judge(pairs, peer.int8)
        limit = peers.limit(version)
        started.report(0, f"loading {peer.name}")
        try:
            rival = started.stack.enter_context(PeerWorker(peer, kit, size))
            distance = agreement.difference(rival.infer().logits, expected, expected)
        except LadderError as error:
            terminal.note(f"ladder: {error}; it is left out")
            continue
        if distance > limit:
            how = f"its logits are {agreement.shown(distance)} away from {version.name}'s, beyond {limit:g}"
            terminal.note(f"ladder: {peer.name} is wrong and left out: {how}")
            rival.close()
            started.peers_agree = False
            continue
        if version.int8:
            terminal.note(f"{peer.name}: its logits are {agreement.shown(distance)} away from {version.name}'s")
        started.add(replace(peer, idea=rival.how, sources=rival.how), rival, (rival.load_seconds, None))


def judge(pairs: list[tuple[Version, Worker]], int8: bool) -> tuple[Version, np.ndarray]:
    """The version that peers in 8-bit integers, or in float32, are compared with, and its logits.

    Of those that compute in such numbers, or of all if none does, the one with the smallest tolerance; the newest if
    several have it.
    """
    alike = [pair for pair in pairs if pair[0].int8 == int8] or pairs
    version, worker = min(alike[::-1], key=lambda pair: pair[0].tolerance)
    return version, worker.infer().logits
