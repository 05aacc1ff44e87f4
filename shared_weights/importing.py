"""`import`: somebody's trained ResNet-50 becomes a weight set, which a version has run before it is there."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladder.core import environment, terminal
from ladder.core.errors import InferenceError, WorkerError
from ladder.core.selection import one_or_newest
from ladder.core.versions import ROOT, Version
from ladder.core.worker import Worker
from ladder.outputs.naming import likeliest

from . import checkpoint, foreign_names, imagenet, sets, tensor_file
from .checkpoint import Checkpoint
from .sets import NAMES, PLAIN_NAME, WeightSetError, labels_in

LARGEST_LABELS, LARGEST_PREPROCESSING = 16 << 20, 64 << 10  # bytes, as a version reads them
WITNESS = ROOT / "pics" / "chelsea.png"


@dataclass(frozen=True)
class Imported:
    """A new set: its folder, the checkpoint it is from, and what a version answered on WITNESS with it."""

    folder: Path
    source: Checkpoint
    dtypes: list[str]
    classes: int
    version: str
    answer: str

    def __str__(self) -> str:
        """What was done, what was assumed, and what to do next."""
        inside = f" ({self.source.key})" if self.source.key else ""
        kind = " and ".join(self.dtypes) + (", now F32" if self.dtypes != ["F32"] else "")
        return (
            f"{self.folder}: {self.classes} classes from {self.source.path}{inside}, {kind}.\n"
            "Assumed, since the file can't say it: the stride is in the 3x3 convolutions (v1.5), as in torchvision's.\n"
            f"{self.version} has run it: {WITNESS.name} is {self.answer}.\n"
            f"nox -s classify -- --weights {self.folder.name} PICTURE"
        )


def import_(model: Path, labels: Path, name: str | None, rules: Path | bytes, version: str | None) -> Imported:
    """Make a set of the network in the file or folder `model`, and of the classes in the file `labels`.

    `name`: what the set is called, by default after the file. `rules`: a preprocess.json, or what it holds.
    `version`: the version that runs the network, by default the newest. Raises `WeightSetError` or LadderError; there
    is then no new set.
    """
    folder = folder_of(name or model.absolute().name.partition(".")[0])
    judge = one_or_newest(ROOT, version)
    with terminal.working(f"reading {terminal.printable(str(model))}"):
        found = foreign_names.read(model)
        weights = found.in_float32()
    if isinstance(rules, Path):
        rules = text_of(rules, LARGEST_PREPROCESSING)
    classes = len(weights["fc.bias"])
    names = checked_labels(labels, classes)
    folder.parent.mkdir(exist_ok=True)
    with sets.appearing(folder) as new:
        tensor_file.write(new / "weights.safetensors", weights, {"source": found.path.name})
        (new / "labels.txt").write_bytes(names)
        (new / "preprocess.json").write_bytes(rules)
        answer = run_once(judge, new, labels_in(names))
    dtypes = sorted({one.dtype for one in found.tensors.values()})
    return Imported(folder, found, dtypes, classes, judge.name, answer)


def preprocessing(side: int, mean: list[float] | None, std: list[float] | None) -> bytes:
    """A preprocess.json in torchvision's way: resized to 8/7 of `side` (224: 256), and the central square cut out."""
    rules = imagenet.preprocessing(round(side * 8 / 7), side, mean or imagenet.MEAN, std or imagenet.STD)
    return json.dumps(rules, indent=2).encode() + b"\n"


def folder_of(name: str) -> Path:
    """Where the set of this name goes; raises `WeightSetError` if there is one, or if it is no name."""
    if name in NAMES:
        raise WeightSetError(f"{name} is one of the repository's own sets: give another name with --name")
    if not PLAIN_NAME.fullmatch(name):
        raise WeightSetError(f"{name!r} can't be a set's name: give one with --name, of letters, digits, _, - and .")
    folder = sets.IMPORTED / name
    if folder.exists():
        raise WeightSetError(f"there is a set {name} already: give another name with --name, or remove {folder}")
    return folder


def checked_labels(path: Path, classes: int) -> bytes:
    """The content of a file of labels; raises `WeightSetError` unless it has a line for each class."""
    content = text_of(path, LARGEST_LABELS)
    try:
        count = len(labels_in(content))
    except UnicodeDecodeError as error:
        raise WeightSetError(f"{path}: is not text in UTF-8") from error
    if count != classes:
        raise WeightSetError(f"{path}: has {count:,} lines, and the network has {classes:,} classes: one line for each")
    return content


def text_of(path: Path, largest: int) -> bytes:
    """The content of a file of at most so many bytes; raises `WeightSetError`."""
    try:
        return checkpoint.content_of(path, largest)
    except OSError as error:
        raise WeightSetError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise WeightSetError(f"{path}: {error}") from error


def run_once(version: Version, folder: Path, labels: list[str]) -> str:
    """What the version says of WITNESS with this set; raises `WeightSetError` if it refuses the set or gives NaN."""
    python = environment.python(version)
    try:
        with terminal.working(f"{version.name} runs it once"), Worker(version.name, python, folder) as worker:
            logits = worker.infer(WITNESS).logits
    except (InferenceError, WorkerError) as error:
        raise WeightSetError(f"{version.name} can't run it: {error}".replace(f"{folder}/", "")) from error
    if logits.shape != (len(labels),) or not np.isfinite(logits).all():
        raise WeightSetError(f"{version.name} has run it, and its output is not a finite number for each class")
    [(label, probability)] = likeliest(logits, labels, 1)
    return f"{label} ({100 * probability:.1f} %)"
