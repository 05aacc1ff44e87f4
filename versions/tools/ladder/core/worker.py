"""A version in its own process: `python -m resnet50 bench --worker`, one line in, one line of JSON out."""

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from ladder.core.environment import variables
from ladder.core.errors import InferenceError, LadderError, WorkerError
from ladder.inside import program

PATIENCE = 1800.0  # seconds for one answer; the slowest, 01 at 224 pixels, takes a fifth of it
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Answer:
    """The result of one inference.

    `seconds`: the inference alone, without preparing the picture; `peak_memory`: of the process, in bytes, None if the
    system doesn't report it; `logits`: float64 (classes,).
    """

    seconds: float
    peak_memory: int | None
    logits: np.ndarray

    @classmethod
    def parse(cls, answer: dict[str, Any]) -> Self:
        """Make an answer from the worker's JSON object; raises ValueError, TypeError or KeyError if it is invalid."""
        return cls(float(answer["seconds"]), answer["peak_memory"], np.array(answer["logits"], dtype=np.float64))


class Worker:
    """A version that waits for pictures; to be used in a `with` statement, which ends the process.

    Raises WorkerError, with the process's stderr, if it dies, answers with anything but the agreed JSON, or gives no
    answer for `patience` seconds. `size`: height and width of the random image. `threads`: the number of threads for a
    version that has threads; by default the version chooses.
    """

    def __init__(
        self,
        name: str,
        python: Path,
        weights: Path,
        patience: float = PATIENCE,
        size: int = 224,
        threads: int | None = None,
    ):
        self.name = name
        self.patience = patience
        self.silent = False
        # A file, not a pipe: a pipe would have to be read while the process writes.
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 (close() closes it)
        self.process = subprocess.Popen(
            [str(python), *self.arguments(weights, size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env=variables() | ({"RESNET50_THREADS": str(threads)} if threads else {}),
            encoding="utf-8",
            errors="surrogateescape",
        )
        try:
            self.load_seconds = self.receive(self.greet)
        except BaseException:
            self.close()
            raise

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The arguments of the version's Python."""
        return ["-m", "resnet50", "bench", "--worker", "--weights", str(weights), "--size", str(size)]

    def greet(self, answer: dict[str, Any]) -> float:
        """Read the process's first answer, sent once the network is loaded; returns the seconds of loading."""
        return float(answer["load_seconds"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process: it has no data to lose."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):  # a line that the process never read
                stream.close()  # type: ignore[union-attr]

    def infer(self, picture: Path | None = None) -> Answer:
        """The network's answer to a picture file, or to an `.npy` file with a prepared float32 (H, W, 3) array.

        Without a file, the answer is to a random image, always the same. Raises InferenceError if the version rejects
        the picture; the worker then still accepts the next one.
        """
        line = str(picture.absolute()) if picture else ""
        if "\n" in line or "\r" in line:
            raise InferenceError(f"{line!r}: the path holds a line break, which a worker can't be told")
        return self.ask(line, Answer.parse)

    def ask(self, line: str, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
        """Send a line and parse the answer to it."""
        with contextlib.suppress(BrokenPipeError):  # it has died: receive() finds out how
            self.process.stdin.write(line + "\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        return self.receive(parse)

    def receive(self, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
        """Wait for the next line of JSON and parse it."""
        alarm = threading.Timer(self.patience, self.end_silence)
        alarm.daemon = True
        alarm.start()
        try:
            line = self.process.stdout.readline()  # type: ignore[union-attr]
        finally:
            alarm.cancel()
        if not line:
            raise self.obituary()
        try:
            answer = json.loads(line)
            if "error" in answer:
                raise InferenceError(str(answer["error"]))
            return parse(answer)
        except (ValueError, TypeError, KeyError):
            raise WorkerError(f"{self.name} answered {line.strip()[:200]!r}, which is not the agreed JSON") from None

    def end_silence(self) -> None:
        """Kill the process, whose time is up."""
        self.silent = True
        self.process.kill()

    def obituary(self) -> WorkerError:
        """How the process ended, with its last words."""
        try:
            code = self.process.wait(timeout=5)  # it has closed stdout, so it is ending
        except subprocess.TimeoutExpired:
            self.end_silence()
            code = self.process.wait()
        self.stderr.seek(0)
        words = self.stderr.read().decode(errors="replace").strip()
        if self.silent:
            return WorkerError(f"{self.name} gave no answer for {self.patience:g} s and was ended. {words}".strip())
        if code == 2 and words:  # a version rejects bad input with one line that is complete in itself
            return WorkerError(f"{self.name}: {words}")
        return WorkerError(f"{self.name} ended with code {code}; its last words: {words or '(none)'}")


class Loader(Worker):
    """A version that loads its network twice, reports how long each load took, and ends."""

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program, which passes on the version's own arguments."""
        return [program("load_twice"), *super().arguments(weights, size)[2:]]


def load_twice(name: str, python: Path, weights: Path, size: int, threads: int) -> tuple[float, float]:
    """The seconds of the first and the second load, in a new process; raises as a Worker does."""
    with Loader(name, python, weights, size=size, threads=threads) as loader:
        return loader.load_seconds, loader.receive(loader.greet)


def prepared(name: str, python: Path, weights: Path, pictures: list[Path]) -> list[np.ndarray]:
    """Picture files as a version prepares them for the network: float32 (H, W, 3) arrays.

    Raises LadderError with the last line of stderr if the version fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "prepared.npz"
        files = [str(path) for path in (weights, target, *(picture.absolute() for picture in pictures))]
        command = [str(python), program("prepare"), *files]
        done = subprocess.run(command, env=variables(), capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode:
            words = done.stderr.strip().splitlines() or ["(no word on stderr)"]
            raise LadderError(f"{name} can't prepare the pictures: {words[-1]}")
        with np.load(target) as arrays:
            return [arrays[f"arr_{index}"] for index in range(len(pictures))]
