"""The parent's side of the processes that name pictures (inside/crew.py)."""

import contextlib
import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, Self

from labelling.entries import Entry, Task
from ladder.core.environment import variables
from ladder.core.errors import WorkerError
from ladder.core.processor import processors

PROGRAM = Path(__file__).parent / "inside" / "crew.py"
AHEAD = 4  # pictures that each process has been given at most: it never waits for the next


@dataclass(frozen=True)
class Settings:
    """The version's name and interpreter, the weight set's folder, and how it is used.

    `processes`: by default one for each processor; `seconds`, `megabytes`: what each picture may take.
    """

    name: str
    python: Path
    weights: Path
    processes: int | None
    seconds: int
    megabytes: int


class Crew:
    """Processes that share a version's network; to be used in a `with` statement, which ends them.

    Raises WorkerError, with its last words, if it cannot start.
    """

    def __init__(self, settings: Settings) -> None:
        self.name, self.processes = settings.name, settings.processes or processors()
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 (close() closes it)
        limits = [str(self.processes), str(settings.seconds), str(settings.megabytes * 10**6)]
        self.process = subprocess.Popen(
            [str(settings.python), str(PROGRAM), str(settings.weights), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            # One thread in each process. Where BLAS had others, they would be missing after a fork.
            env=variables() | {"RESNET50_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the parent
        )
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()
        try:
            self._receive()
        except BaseException:
            self.process.kill()  # it has forked nothing yet, and may be compiling
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes. The first one ends the others when its input ends."""
        self.lines.put(None)
        self.writer.join()
        for stream in (self.process.stdin, self.process.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]
        self.process.wait()

    def label(self, folder: Path, tasks: Iterator[Task]) -> Iterator[Entry]:
        """The entries for the pictures in `folder`, in any order; only a few of `tasks` are taken ahead of them."""
        numbers, busy = count(), dict[int, Task]()
        tasks = iter(tasks)
        while True:
            for task in islice(tasks, AHEAD * self.processes - len(busy)):
                number = next(numbers)
                busy[number] = task
                self.lines.put(json.dumps({"number": number, "picture": str(folder / task.path)}).encode() + b"\n")
            if not busy:
                return
            answer = self._receive()
            yield busy.pop(answer.pop("number")).entry(answer)

    def _write(self) -> None:
        """Pass the lines on, in a thread: the processes may not read before somebody reads what they have said."""
        with contextlib.suppress(BrokenPipeError):  # they have ended: _receive finds out how
            while line := self.lines.get():
                self.process.stdin.write(line)  # type: ignore[union-attr]
                self.process.stdin.flush()  # type: ignore[union-attr]

    def _receive(self) -> dict[str, Any]:
        """The next line from the processes; raises WorkerError if there is none."""
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if line.endswith(b"\n"):
            return dict(json.loads(line))
        code = self.process.wait()
        self.stderr.seek(0)
        words = self.stderr.read().decode(errors="replace").strip().splitlines() or ["(none)"]
        if code == 2:
            raise WorkerError(f"{self.name}: {words[-1]}")
        raise WorkerError(f"{self.name} ended with code {code}; its last words: {words[-1]}")
