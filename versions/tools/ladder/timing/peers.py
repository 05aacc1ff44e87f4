"""The peers: libraries that run the same network with the same weights, timed beside the versions.

Those in 8-bit integers read one file, with the scales that the versions in 8-bit integers have.
"""

import contextlib
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ladder.core import installing, terminal
from ladder.core.environment import interpreter_of, variables, waiting_lock
from ladder.core.versions import ROOT, Version
from ladder.core.worker import Answer, Worker
from ladder.inside import program
from ladder.timing.contestants import Contestant

PROGRAM = program("peer_worker")
TOOLS = Path(__file__).parents[2]  # where shared_weights finds `ladder`
WEIGHTS = "weights.safetensors"
MODELS = {  # peer -> the file that it loads, or the start of the names of ncnn's two files
    "torch.jit": WEIGHTS,
    "torch.compile": WEIGHTS,
    "ONNX Runtime": "model.onnx",
    "OpenVINO": "model.onnx",
    "ncnn": "model.ncnn",
    "ONNX Runtime int8": "int8.onnx",
    "OpenVINO int8": "int8.onnx",
}
INT8 = tuple(label for label in MODELS if label.endswith(" int8"))  # only beside a version in 8-bit integers

# How far a peer's logits may lie from a version's, relative to the largest, beyond the version's own tolerance. It is
# the tolerance that this project allows Winograd's convolution in float32, which peers use too, and below half a unit
# in the last place of float16 (2**-12 = 2.4e-4) and bfloat16 (2**-9): a peer that computes in those is detected.
TOLERANCE = 1e-4

TICK = 0.02  # seconds; Linux counts a process's time in hundredths of a second


@dataclass(frozen=True)
class Kit:
    """Everything that a peer needs to start: its interpreter, the folders of weights and models, a cache for torch."""

    python: Path
    weights: Path
    models: Path
    cache: Path

    def model(self, label: str) -> Path:
        """The file that the peer loads."""
        folder = self.weights if MODELS[label] == WEIGHTS else self.models
        return folder / MODELS[label]


class PeerWorker(Worker):
    """A peer in its own process, which answers as a version's does; `how`: its name, version and settings."""

    how: str

    def __init__(self, peer: Contestant, kit: Kit, size: int):
        self.label, self.threads, self.cache = peer.label, peer.threads, kit.cache
        super().__init__(peer.name, kit.python, kit.model(peer.label), size=size)

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program and its arguments."""
        settings = ["--size", size, "--threads", self.threads, "--cache", self.cache]
        return [str(word) for word in [PROGRAM, self.label, weights, *settings]]

    def greet(self, answer: dict[str, Any]) -> float:
        """Read the peer's first answer, and keep its `how` as well."""
        self.how = str(answer["how"])
        return super().greet(answer)

    def infer(self, picture: Path | None = None) -> Answer:
        """The network's answer, as a version gives it; returns when the process is idle.

        Some libraries' threads spin for a while after their work, ONNX Runtime's for 40 ms, and would take processor
        time from the next contestant. So this waits until the process uses no more time, but at most a second.
        """
        answer = super().infer(picture)
        with contextlib.suppress(psutil.Error):  # it has died: the next inference finds out how
            process, used = psutil.Process(self.process.pid), -1.0
            for _ in range(int(1 / TICK)):
                before, used = used, sum(process.cpu_times()[:2])
                if used == before:
                    break
                time.sleep(TICK)
        return answer


def contestants(threads: Iterable[int], int8: bool) -> list[Contestant]:
    """All peers, with `int8` those in 8-bit integers too, each with every number of threads."""
    return [
        Contestant(label, "", None, count, int8=label in INT8)
        for label in MODELS
        if int8 or label not in INT8
        for count in sorted(set(threads))
    ]


def limit(judge: Version) -> float:
    """How far a peer's logits may lie from those of the version `judge`, relative to the largest.

    Two networks in 8-bit integers that round in other places differ by percents, and nothing bounds by how many: their
    distance is shown. Only one as large as the largest logit itself is another network's.
    """
    return 1.0 if judge.int8 else judge.tolerance + TOLERANCE


@contextlib.contextmanager
def kit(root: Path, weights: Path, size: int, int8: bool) -> Iterator[Kit]:
    """Installs the libraries, and writes the models for pictures of `size` x `size` pixels to a temporary folder.

    A failure is reported in a note, and the peers that depend on it will not start.
    """
    python, home = install(root), root / "build" / "bench"
    with tempfile.TemporaryDirectory(dir=home) as models:
        write_models(python, weights, size, Path(models), int8)
        yield Kit(python, weights, Path(models), home / "inductor")


def write_models(python: Path, weights: Path, size: int, folder: Path, int8: bool) -> None:
    """Write the network to `model.onnx`, which pnnx converts for ncnn to `model.ncnn.param` and `model.ncnn.bin`.

    With `int8`, also to `int8.onnx`, with the scales of the weight set.
    """
    export = [python, "-m", "shared_weights", "structure", "--weights", weights, "--size", size, "--onnx"]
    convert = [python.with_name("pnnx"), "model.onnx", "fp16=0", f"inputshape=[1,3,{size},{size}]"]
    with terminal.working("writing the peers' models"):
        complaints = [
            attempt("there is no ONNX file", [*export, folder / "model.onnx"], ROOT, PYTHONPATH=str(TOOLS)),
            attempt("there is no file for ncnn", convert, folder),
        ]
        if int8:
            command = [*export, folder / "int8.onnx", "--int8", "qdq"]
            complaints.append(attempt("there is no ONNX file in 8 bits", command, ROOT, PYTHONPATH=str(TOOLS)))
    report(complaints)


def install(root: Path) -> Path:
    """The interpreter of build/env/peers, with the packages that pyproject.toml lists in the group `peers`.

    They are installed one by one, so that a package that can't be installed costs only its own peer.
    """
    folder = root / "build" / "env" / "peers"
    python, stamp = interpreter_of(folder), folder / "installed.txt"
    packages = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["peers"]
    folder.mkdir(parents=True, exist_ok=True)
    with waiting_lock(folder / "lock", "the peers"):
        if stamp.exists() and stamp.read_text() == "\n".join(packages):
            return python
        with terminal.working("installing the peers: some 6 GB"):
            complaints = [attempt("there is no environment for the peers", installing.make(folder), root)]
            for package in packages:
                failure = f"{package} is not installed"
                complaints.append(
                    attempt(failure, installing.install(folder, "--quiet", package), root)
                    or attempt(failure, installing.check(folder, package), root)
                )
        if not any(complaints):
            stamp.write_text("\n".join(packages))
    report(complaints)
    return python


def attempt(failure: str, command: list[Any], folder: Path, **own: str) -> str:
    """Run a command in `folder`, with environment variables of its `own`.

    Returns "" if it succeeds, else `failure` and the last line of the command's output.
    """
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=installing.variables(variables()) | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return f"{failure}: {error.filename}: {error.strerror}"
    words = done.stdout.strip().splitlines() or ["no reason given"]
    return f"{failure}: {words[-1]}" if done.returncode else ""


def report(complaints: list[str]) -> None:
    """Print each complaint that is not empty, on its own line."""
    for complaint in filter(None, complaints):
        terminal.note(f"ladder: {complaint}")
