"""`label`: names what is in every picture of a folder, and goes on where it was ended."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from labelling import collection
from labelling.crew import Crew, Settings
from labelling.entries import Entry, Task
from labelling.manifest import Manifest
from labelling.parts import named, taken
from labelling.progress import progress
from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.pictures import Refused
from ladder.core.selection import one_or_newest
from ladder.core.terminal import printable


def label(
    root: Path,
    folder: Path,
    out: Path,
    version: str | None,
    weight_set: str | None,
    retry_failed: bool,
    processes: int | None,
    time_limit: int,
    memory_limit: int,
    scheduler: str | None = None,
) -> int:
    """Label the pictures in `folder` that need it, and write `out`. Returns the exit code: 2 if a folder is unreadable.

    Raises LadderError if the arguments are wrong, or the network cannot be used; what has been done remains.
    """
    if not folder.is_dir():
        raise LadderError(f"{folder}: there is no such folder")
    chosen, weights_folder = one_or_newest(root, version), weights.find(weight_set)
    terminal.note(f"version {chosen.name}, weights {weights.describe(weights_folder, weight_set)}")
    network, python = collection.network(chosen, weights_folder), environment.python(chosen)
    settings = Settings(chosen.name, python, weights_folder.absolute(), processes, time_limit, memory_limit)
    refused, parts = list[Refused](), out.absolute().with_suffix(".parts")
    with opened(out) as manifest:
        with terminal.working("looking for pictures"):
            for entry in taken(named(parts)):
                manifest.add(entry, here=False)
            total = sum(1 for _ in manifest.due(collection.tasks(folder, network, refused), retry_failed))
        started = time.monotonic()
        if total:
            with engine(settings, scheduler, parts) as labeller:
                due = manifest.due(collection.tasks(folder, network, []), retry_failed)
                run(labeller, folder, due, manifest, total)
        finish(manifest, out, parts)
        summarise(manifest, out, total, time.monotonic() - started)
    return report(refused)


def opened(out: Path) -> Manifest:
    """The manifest for `out`: the file itself, or beside a .csv the .jsonl of that name.

    Raises LadderError if there is a table that was not written from a manifest.
    """
    path = out.with_suffix(".jsonl")
    if out != path and out.exists() and not path.exists():
        raise LadderError(f"{out}: exists already, but not {path.name}, from which it would be rewritten")
    return Manifest(path)


class Labeller(Protocol):
    """Whoever makes entries from tasks: a Crew, or a Cluster."""

    def label(self, folder: Path, tasks: Iterator[Task]) -> Iterator[Entry]: ...


@contextlib.contextmanager
def engine(settings: Settings, scheduler: str | None, parts: Path) -> Iterator[Labeller]:
    """The processes of this machine, or the workers of a Dask scheduler."""
    if scheduler is None:
        with terminal.working(f"loading {settings.name}"):  # may compile for seconds
            crew = Crew(settings)
        with crew:
            yield crew
        return
    try:
        from labelling.cluster import Cluster
    except ImportError:
        raise LadderError("--scheduler needs Dask, which `nox -s label` installs if it sees this option") from None
    with Cluster(scheduler, settings, parts) as cluster:
        yield cluster


def run(labeller: Labeller, folder: Path, tasks: Iterator[Task], manifest: Manifest, total: int) -> None:
    """Do the tasks, of which there are `total`, and write down each as soon as it is done."""
    try:
        with progress(total) as counter:
            for entry in labeller.label(folder.absolute(), tasks):
                manifest.add(entry)
                counter.step()
    except KeyboardInterrupt:
        terminal.note("stopped; the same command resumes here")
        raise


def finish(manifest: Manifest, out: Path, parts: Path) -> None:
    """Remove the folder of the parts, and write the table if one is asked for."""
    with contextlib.suppress(OSError):  # there is none, or a worker that was cut off still writes there
        parts.rmdir()
    if out.suffix == ".csv":
        manifest.write_csv(out)


def report(refused: list[Refused]) -> int:
    """Say which folders could not be read. Returns the exit code."""
    for one in refused:
        terminal.complain(f"labelling: {one}")
    return 2 if refused else 0


def summarise(manifest: Manifest, out: Path, total: int, seconds: float) -> None:
    """Print what there is now, and what was done, in so many `seconds`."""
    labelled, failed, gone = manifest.counts()
    lines = [f"{printable(str(out))}: {labelled + failed:,} pictures, {labelled:,} of them labelled."]
    if failed:
        lines.append(f"{failed:,} failed: the reasons are in their rows; --retry-failed tries them again.")
    if gone:
        lines.append(f"{gone:,} of earlier runs are no longer in the folder, and left out.")
    if total:
        lines.append(f"{total:,} were done in this run: {total / seconds:.3g} pictures/s.")
    terminal.output().print("\n".join(lines), markup=False, soft_wrap=True)
