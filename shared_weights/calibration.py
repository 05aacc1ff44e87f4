"""`quantise`: what a float32 network's values are on pictures, and the scales that follow."""

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ladder.core import environment, terminal
from ladder.core.errors import InferenceError, LadderError
from ladder.core.pictures import collect
from ladder.core.selection import select
from ladder.core.versions import ROOT, Version, discover, obstacle
from ladder.core.worker import Worker
from ladder.inside import program

from . import ranges, scales
from .scales import Scale

RULES = ("max", "mse")  # how a value's range is chosen: by its extremes, or by the least mean squared error

Input = dict[str, Any]  # {"picture": a path}, or {"noise": a seed}
Ranges = dict[str, tuple[float, float]]  # a value's name -> the least and the largest that was seen


class Observer(Worker):
    """A version that tells of the values between its layers."""

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program, and the names of the values."""
        return [program("activations"), str(weights), *scales.names()]

    def ranges(self, given: Input) -> Ranges:
        """The least and the largest of each value; raises InferenceError if the version refuses the picture."""

        def parse(answer: dict[str, Any]) -> Ranges:
            return {name: tuple(answer["ranges"][name]) for name in scales.names()}

        return self.ask(json.dumps(given), parse)

    def count(self, given: Input, known: Ranges) -> None:
        """Count the values in small parts of the ranges."""
        self.ask(json.dumps(given | {"ranges": known}), lambda answer: None)

    def counts(self) -> dict[str, np.ndarray]:
        """What was counted: a value's name -> int64 (parts,)."""
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "counts.npz"
            self.ask(json.dumps({"counts": str(path)}), lambda answer: None)
            with np.load(path) as arrays:
                return dict(arrays)


def quantise(folder: Path, given: Path, rule: str, name: str | None = None, noise: int = 0) -> Path:
    """Write the quantisation.json of the set in `folder`, from the pictures below the folder `given`; returns the file.

    `rule`: one of RULES. `name`: the version to run, by default the newest that tells of every layer and runs here.
    `noise`: how many images of random numbers to look at as well; their seeds are 1, 2, ...
    Raises LadderError or `WeightSetError`, and then writes nothing.
    """
    inputs: list[Input] = [{"picture": str(path.absolute())} for path in pictures_in(given)]
    inputs += [{"noise": seed} for seed in range(1, noise + 1)]
    version = observer(name)
    python = environment.python(version)
    rounds = 1 if rule == "max" else 2
    looking = f"{folder.name}: {version.name} runs on the pictures"
    with (
        Observer(version.name, python, folder) as worker,
        terminal.progress(looking, rounds * len(inputs)) as begin,
    ):
        found = chosen(worker, inputs, rule, begin)
    return scales.write(folder, found)


def pictures_in(given: Path) -> list[Path]:
    """The picture files below a folder; raises LadderError if there is none."""
    pictures, complaints, _ = collect([given], ROOT / "pics", "")
    if complaints:
        raise LadderError(complaints[0])
    return [picture.path for picture in pictures]


def observer(name: str | None) -> Version:
    """The named version, or the newest that runs here; it must tell of every layer: a version that fuses does not."""
    if name is None:
        return [version for version in discover(ROOT) if not version.fuses and obstacle(version) is None][-1]
    [version] = select(ROOT, [name], must_run=True)
    if version.fuses:
        raise LadderError(f"{version.name} fuses layers and reports only the last of each step: choose an earlier one")
    return version


def chosen(worker: Observer, inputs: list[Input], rule: str, begin: Callable[[str], None]) -> dict[str, Scale]:
    """The scale of every value, by the rule, from all inputs; for `mse` each of them is looked at twice."""
    known: Ranges = {}
    try:
        for given in inputs:
            begin(told(given))
            known = joined(known, worker.ranges(given), given)
        if rule == "max":
            return {name: ranges.whole_range(*known[name], scales.is_signed(name)) for name in scales.names()}
        for given in inputs:
            begin(told(given))
            worker.count(given, known)
    except InferenceError as error:
        raise LadderError(str(error)) from None
    counts = worker.counts()
    return {name: ranges.least_squares(counts[name], *known[name], scales.is_signed(name)) for name in scales.names()}


def told(given: Input) -> str:
    """An input's name: a picture's path, or the seed."""
    return str(given.get("picture", f"noise {given.get('noise')}"))


def joined(known: Ranges, more: Ranges, given: Input) -> Ranges:
    """The ranges that hold both; raises LadderError if a value of the input is not finite."""
    for name, ends in more.items():
        if not all(map(math.isfinite, ends)):
            raise LadderError(f"{told(given)}: the output of {name} is not finite, so there is no scale for it")
        known_ends = known.get(name, ends)
        more[name] = min(ends[0], known_ends[0]), max(ends[1], known_ends[1])
    return more
