"""A weight folder's tensors and labels: read, checked, and arranged as the operators take them."""

import json
import os
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from .errors import WeightsError
from .instruction_sets import InstructionSet
from .tiles import pack, packed_size

FILES = ("weights.safetensors", "labels.txt", "preprocess.json")
DTYPES = {"F32": "<f4", "F16": "<f2"}  # safetensors' name of a type -> NumPy's


def weight_folder(path: str | PathLike[str]) -> Path:
    """`path` if it is a folder with the three files of a weight set, else `WeightsError`."""
    folder = Path(path)
    if not os.path.isdir(folder):
        raise WeightsError(f"{folder}: no such weight folder")
    for name in FILES:
        if not os.path.isfile(folder / name):
            raise WeightsError(f"{folder}: a weight folder needs {', '.join(FILES)}; {name} is missing")
    return folder


def read_labels(path: Path, classes: int) -> list[str]:
    """The labels in `path`, a class a line, in the order of the logits; raises `WeightsError`."""
    try:
        labels = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: cannot be read as UTF-8 text: {error}") from error
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


def data_offsets(path: Path) -> dict[str, int]:
    """Where each tensor's numbers begin in a safetensors file, in bytes.

    The file is the header's length in 8 bytes, the header in JSON, and the numbers.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {name: 8 + length + entry["data_offsets"][0] for name, entry in header.items() if name != "__metadata__"}


class Weights:
    """The tensors of a safetensors file: shapes at once, values after `load`, from memory.

    They are arranged for `isa`.
    """

    def __init__(self, folder: Path, isa: InstructionSet) -> None:
        self.isa = isa
        self.path = folder / "weights.safetensors"
        self.required: list[str] = []
        self.tensors: dict[str, np.ndarray] = {}
        try:
            with safe_open(self.path, framework="numpy") as file:  # checks the header against the file's length
                slices = {name: file.get_slice(name) for name in list(file.keys())}
            self.offsets = data_offsets(self.path)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{self.path}: cannot be read as safetensors: {error}") from error
        slices = {name: part for name, part in slices.items() if not name.endswith("num_batches_tracked")}
        self.shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
        self.dtypes = {name: part.get_dtype() for name, part in slices.items()}
        for name, dtype in self.dtypes.items():
            if dtype not in DTYPES:
                raise WeightsError(f"{self.path}: {name} is {dtype}, expected F32 or F16")

    def load(self) -> None:
        """Reads, checks and arranges what is required into one pool, in the order of the layers; raises `WeightsError`.

        The file is mapped, so that a number is copied once: from the system's page cache to its place in the pool.
        """
        file = np.memmap(self.path, np.uint8, "r")
        counts = [arranged_size(self.shapes[name], self.isa) for name in self.required]
        lines = [-(-count * 4 // CACHE_LINE) for count in counts]  # rounded up
        pool = aligned(sum(lines) * CACHE_LINE // 4)
        for name, count, whole in zip(self.required, counts, lines):
            shape, dtype = self.shapes[name], np.dtype(DTYPES[self.dtypes[name]])
            stored = file[self.offsets[name] :][: prod(shape) * dtype.itemsize].view(dtype)
            self.check(name, stored)
            self.tensors[name] = arrange(stored.reshape(shape), self.isa, pool[:count])
            pool = pool[whole * CACHE_LINE // 4 :]

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
