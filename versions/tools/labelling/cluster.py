"""Many machines: shards of pictures for the workers of a Dask scheduler, which write what they find into part files.

The workers see the same files under the same paths as this process: the repository, the pictures, and the folder of the
parts, which lies beside the manifest. A part file is appended to, as the manifest is. So of a shard whose worker was
killed the next one does only the rest, and of a run that was killed the next one takes over the parts.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Self

from distributed import Client, Future, wait

from labelling.crew import Crew, Settings
from labelling.entries import Entry, Task, to_line
from labelling.parts import entries, named, taken
from ladder.core import terminal
from ladder.core.errors import LadderError, WorkerError

SHARD = 200  # pictures: some seconds of work for a machine, so that one more part file does not matter
AHEAD = 2  # shards for each worker, so that none waits for the next
PATIENCE = 30  # seconds for the scheduler to answer
PAUSE = 10  # seconds from one look for workers to the next
RETRIES = 2  # of a shard whose worker has failed; the death of a worker does not count as one


class Cluster:
    """The workers of the scheduler at `address`; to be used in a `with` statement. `parts`: the folder of the parts.

    Raises LadderError if no scheduler answers.
    """

    def __init__(self, address: str, settings: Settings, parts: Path) -> None:
        self.address, self.settings, self.parts, self.told = address, settings, parts, False
        try:
            self.client = Client(address, timeout=PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            raise LadderError(f"{address}: no Dask scheduler answers there: {' '.join(str(error).split())}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def workers(self) -> int:
        """How many workers there are now."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def label(self, folder: Path, tasks: Iterator[Task]) -> Iterator[Entry]:
        """The entries for the pictures in `folder`, in any order; only a few shards are taken ahead of them.

        Raises LadderError at the end if shards have failed.
        """
        self.parts.mkdir(exist_ok=True)
        tasks, numbers, run = iter(tasks), count(), uuid.uuid4().hex[:8]
        running, failed = set[Future](), list[str]()
        while True:
            while len(running) < AHEAD * max(1, self.workers()) and (shard := list(islice(tasks, SHARD))):
                running.add(self.submit(folder, shard, f"{run}-{next(numbers)}"))
            if not running:
                break
            ended, running = self.wait(running)
            for future in ended:
                if future.status == "finished":
                    yield from taken(future.result())
                else:
                    failed.append(" ".join(str(future.exception()).split()))
                    yield from taken(named(self.parts, future.key))
        if failed:
            shards = "1 shard" if len(failed) == 1 else f"{len(failed)} shards"
            raise LadderError(f"{shards} failed; the same command does the rest: {failed[0]}")

    def wait(self, running: set[Future]) -> tuple[set[Future], set[Future]]:
        """The futures that have ended, at least one, and the others; says so where there is no worker to end one."""
        while True:
            if self.workers():
                self.told = False
            elif not self.told:
                terminal.note(f"there is no worker at {self.address}; start some: nox -s dask -- worker {self.address}")
                self.told = True
            with suppress(TimeoutError):
                ended, rest = wait(running, timeout=PAUSE, return_when="FIRST_COMPLETED")
                return ended, rest

    def submit(self, folder: Path, shard: list[Task], name: str) -> Future:
        """Give a shard to some worker; its name is the future's key, and its part files begin with it."""
        given = self.settings, folder, shard, self.parts, name
        return self.client.submit(label_shard, *given, key=name, retries=RETRIES, pure=False)


class Kept:
    """The crew of a worker's process, kept from shard to shard: loading the network takes as long as some pictures."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # a worker with several threads does one shard at a time, with all processors
        self.settings: Settings | None = None
        self.crew: Crew | None = None

    def get(self, settings: Settings) -> Crew:
        """A crew with these settings."""
        if self.crew is None or self.settings != settings:
            self.drop()
            self.crew, self.settings = Crew(settings), settings
        return self.crew

    def drop(self) -> None:
        """End the crew."""
        if self.crew:
            self.crew.close()
        self.crew = None


KEPT = Kept()


def label_shard(settings: Settings, folder: Path, shard: list[Task], parts: Path, name: str) -> list[Path]:
    """Label the pictures of a shard that are in none of its part files yet; returns all of these. Runs in a worker.

    Each attempt has a file of its own: a worker that was only cut off from the scheduler may still write to another.
    The files are returned, since a network file system may show a new name late, but a file that is opened by its name
    as it was when it was closed.
    """
    before = named(parts, name)
    done = {entry["path"] for part in before for entry in entries(part)}
    rest = [task for task in shard if task.path not in done]
    own = parts / f"{name}.{uuid.uuid4().hex[:8]}.jsonl"
    with KEPT.lock, open(own, "ab", buffering=0) as part:
        try:
            for entry in KEPT.get(settings).label(folder, iter(rest)):
                part.write(to_line(entry))
        except WorkerError:
            KEPT.drop()
            raise
    return [*before, own]
