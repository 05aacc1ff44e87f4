"""A weight folder's tensors and labels: read, checked, and arranged as the operators take them."""

import os
import re
import stat
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np

from .errors import WeightsError
from .instruction_sets import InstructionSet
from .tensor_file import DTYPES, TensorFile
from .tiles import pack, packed_size

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
    # O_NONBLOCK: a pipe under this name is not waited for. Windows has none.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return data


def read_labels(path: Path, classes: int) -> list[str]:
    """The labels in `path`, one class per line, in the order of the logits; raises `WeightsError`.

    Lines end with LF, CR LF or CR; a byte order mark and blank lines at the end are dropped.
    """
    try:
        text = read_small(path, MOST_LABELS).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as labels in UTF-8: {error}") from error
    labels = re.split(r"\r\n|\n|\r", text)  # str.splitlines would split at U+2028 and eight more, inside of a label
    while labels and not labels[-1].strip():
        labels.pop()
    if len(labels) != classes:
        raise WeightsError(f"{path}: has {len(labels)} labels, but the weights have {classes} classes")
    if not all(label.strip() for label in labels):
        raise WeightsError(f"{path}: line {[bool(label.strip()) for label in labels].index(False) + 1} is empty")
    return labels


CACHE_LINE = 64  # bytes; a load into a register that crosses two lines takes twice as long


def arrange(tensor: np.ndarray, isa: InstructionSet, memory: np.ndarray | None = None) -> np.ndarray:
    """From the file's layout to the operators': kernels and matrices packed for register tiles, vectors as they are.

    The result, `arranged_size` numbers, lies in `memory`, float32, or in memory of its own.
    """
    if memory is None:
        memory = aligned(arranged_size(tensor.shape, isa))
    if tensor.ndim == 1:
        memory[:] = tensor
    else:
        pack(tensor.reshape(*tensor.shape, *(1, 1)[tensor.ndim - 2 :]), memory, isa)
    return memory


def arranged_size(shape: tuple[int, ...], isa: InstructionSet) -> int:
    """How many numbers `arrange` makes of a tensor."""
    return shape[0] if len(shape) == 1 else packed_size(shape[0], prod(shape[1:]), isa)


def aligned(count: int) -> np.ndarray:
    """`count` float32 numbers, not yet set, that begin at a cache line; NumPy's own begin 16 bytes behind one."""
    memory = np.empty(count * 4 + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + count * 4].view(np.float32)


def batch_norm_tensors(name: str) -> tuple[str, str, str, str]:
    """The four tensors of a batch norm, in the order in which the operator takes them."""
    return f"{name}.weight", f"{name}.bias", f"{name}.running_mean", f"{name}.running_var"


class Weights:
    """The tensors of a safetensors file: shapes at once, values after `load`, from memory.

    They are arranged for `isa`.
    """

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
        """Reads, checks and arranges what is required into one pool, in the order of the layers; raises `WeightsError`.

        Then the file is closed. All tensors are read into one buffer: new memory for each costs 20 ms of page faults.
        """
        counts = [arranged_size(self.shapes[name], self.isa) for name in self.required]
        lines = [-(-count * 4 // CACHE_LINE) for count in counts]  # rounded up
        pool = aligned(sum(lines) * CACHE_LINE // 4)
        buffer = np.empty(4 * max(map(prod, self.shapes.values())), np.uint8)
        for name, count, whole in zip(self.required, counts, lines):
            stored = self.file.read(name, buffer)
            self.check(name, stored)
            self.tensors[name] = arrange(stored, self.isa, pool[:count])
            pool = pool[whole * CACHE_LINE // 4 :]
        self.file.close()

    def __getitem__(self, name: str) -> np.ndarray:
        """The tensor `name`, float32, arranged."""
        return self.tensors[name]

    def check(self, name: str, values: np.ndarray) -> None:
        """Raises `WeightsError` if the tensor `name` holds what no trained network has."""
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
        """Raises `WeightsError` unless the tensor `name` is there and has `shape`."""
        self.required.append(name)
        if name not in self.shapes:
            raise WeightsError(f"{self.path}: not a ResNet-50: {name} is missing")
        if self.shapes[name] != shape or 0 in shape:
            raise WeightsError(f"{self.path}: {name} has shape {self.shapes[name]}, expected {shape}")

    def require_no_others(self) -> None:
        """Raises `WeightsError` if a tensor was not required: a deeper network's file, say, ResNet-101's."""
        for name in self.shapes.keys() - self.required:
            raise WeightsError(f"{self.path}: not a ResNet-50: it has no place for {name}")
