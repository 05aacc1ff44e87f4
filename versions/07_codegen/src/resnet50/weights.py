"""A weight folder's tensors and labels: read, checked, and arranged as the operators expect them."""

import os
import re
import stat
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np

from .errors import WeightsError
from .instruction_sets import InstructionSet
from .memory import LINE, aligned
from .packing import arrange, arranged_size
from .rounding import round_up
from .tensor_file import DTYPES, TensorFile

FILES = ("weights.safetensors", "labels.txt", "preprocess.json")
MOST_LABELS = 1 << 24  # bytes of labels.txt: a million classes of 16 letters


def weight_folder(path: str | PathLike[str]) -> Path:
    """`path` if it is a folder with the three files of a weight set, else `WeightsError`."""
    folder = Path(path)
    if not os.path.isdir(folder):
        raise WeightsError(f"{folder}: no such weight folder")
    for name in FILES:
        if not os.path.isfile(folder / name):
            raise WeightsError(f"{folder}: a weight folder needs {', '.join(FILES)}; {name} is missing")
    return folder


def read_small(path: Path, most: int) -> bytes:
    """The content of `path`; raises `OSError`, or `ValueError` if it is not a file or has more than `most` bytes."""
    # O_NONBLOCK: opening a pipe does not wait for a writer. Windows has no such flag.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return data


def read_labels(path: Path, classes: int) -> list[str]:
    """The labels in `path`, one class per line, in the order of the logits; raises `WeightsError`.

    Lines end with LF, CR LF or CR; a byte order mark and blank lines at the end are ignored.
    """
    try:
        text = read_small(path, MOST_LABELS).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as labels in UTF-8: {error}") from error
    labels = re.split(r"\r\n|\n|\r", text)  # str.splitlines splits at nine more characters, which a label may contain
    while labels and not labels[-1].strip():
        labels.pop()
    if len(labels) != classes:
        raise WeightsError(f"{path}: has {len(labels)} labels, but the weights have {classes} classes")
    for number, label in enumerate(labels, start=1):
        if not label.strip():
            raise WeightsError(f"{path}: line {number} is empty")
    return labels


def batch_norm_tensors(name: str) -> tuple[str, str, str, str]:
    """The names of a batch norm's four tensors, in the order in which the operator expects them."""
    return f"{name}.weight", f"{name}.bias", f"{name}.running_mean", f"{name}.running_var"


class Weights:
    """The tensors of a safetensors file, arranged for `isa`: the shapes are read at once, the values by `load`."""

    def __init__(self, folder: Path, isa: InstructionSet) -> None:
        self.isa = isa
        self.path = folder / "weights.safetensors"
        self.required: list[str] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.file = TensorFile(self.path)
        tensors = {name: one for name, one in self.file.tensors.items() if not name.endswith("num_batches_tracked")}
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            if tensor.dtype not in DTYPES:
                raise WeightsError(f"{self.path}: {name} is {tensor.dtype}, expected F32 or F16")

    def load(self) -> None:
        """Reads, checks and arranges all required tensors, in the order of the layers, into one piece of memory.

        Then it closes the file. All tensors are read into one buffer: new memory for each would cost 20 ms of page
        faults. Raises `WeightsError`.
        """
        counts = [arranged_size(self.shapes[name], self.isa) for name in self.required]
        memory = aligned(sum(round_up(count, LINE) for count in counts))
        buffer = np.empty(4 * max(map(prod, self.shapes.values())), np.uint8)
        for name, count in zip(self.required, counts):
            stored = self.file.read(name, buffer)
            self.check(name, stored)
            self.tensors[name] = arrange(stored, self.isa, memory[:count])
            memory = memory[round_up(count, LINE) :]
        self.file.close()

    def __getitem__(self, name: str) -> np.ndarray:
        """The tensor `name`, float32, arranged."""
        return self.tensors[name]

    def check(self, name: str, values: np.ndarray) -> None:
        """Raises `WeightsError` if the tensor `name` has values that no trained network can have."""
        if not np.isfinite(values).all():
            raise WeightsError(f"{self.path}: {name} holds a value that is not finite")
        if name.endswith("running_var") and (values < 0).any():
            raise WeightsError(f"{self.path}: {name} holds a negative variance")

    def width(self, name: str) -> int:
        """How many outputs the layer with the weight `name` has: the tensor's first dimension."""
        if not self.shapes.get(name):
            raise WeightsError(f"{self.path}: not a ResNet-50: {name} is missing")
        return self.shapes[name][0]

    def require(self, name: str, shape: tuple[int, ...]) -> None:
        """Raises `WeightsError` unless the tensor `name` exists and has `shape`."""
        self.required.append(name)
        if name not in self.shapes:
            raise WeightsError(f"{self.path}: not a ResNet-50: {name} is missing")
        if self.shapes[name] != shape or 0 in shape:
            raise WeightsError(f"{self.path}: {name} has shape {self.shapes[name]}, expected {shape}")

    def require_no_others(self) -> None:
        """Raises `WeightsError` if there are other tensors than the required ones, as in a ResNet-101's file."""
        for name in self.shapes.keys() - self.required:
            raise WeightsError(f"{self.path}: not a ResNet-50: unexpected tensor {name}")
