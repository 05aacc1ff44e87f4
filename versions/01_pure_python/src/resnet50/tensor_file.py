"""A safetensors file (https://huggingface.co/docs/safetensors), opened once and read through one descriptor.

The safetensors library is not used because it maps the file: SIGBUS kills a process that touches a mapping after
another process has truncated the file. Release 0.8 can read the numbers without a mapping (`backend="pread"`), but not
the header. Its other function needs the whole file as bytes, which takes 102 MB more.
"""

import json
import os
import threading
import weakref
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import WeightsError
from .weight_folder import without_repetition

DTYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}  # the types that can be read
LARGEST_HEADER = 10_000_000  # bytes; a ResNet-50's has 30,000. Python's objects take up to 25 times as much
MOST_DIMENSIONS = 32
POSITION = threading.Lock()  # held while a file's position moves, on systems without preadv


class Tensor(NamedTuple):
    """A tensor's entry in the header; `begin` and `end` are in bytes after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFile:
    """An open safetensors file: `tensors` are the header's entries by name, and `read` returns one tensor's numbers.

    Several threads may read it at once, and forked children too. Replacing the file under its name changes nothing
    here; if the file itself is written to, reading fails. It is closed with the object, or by `close`.

    Raises `WeightsError` if the file cannot be opened, or if its header is wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # O_NONBLOCK: opening a pipe does not wait for a writer. O_BINARY is for Windows.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            self.descriptor = os.open(path, flags)
            self.close = weakref.finalize(self, os.close, self.descriptor)
            self.close.atexit = False  # at exit a daemon thread may still be reading
            self.status = os.fstat(self.descriptor)
            length = int.from_bytes(self.bytes_at(0, 8), "little")
            if length > LARGEST_HEADER:
                raise ValueError(f"its header would have {length:,} bytes, more than {LARGEST_HEADER:,}")
            self.start = 8 + length
            self.tensors = parsed(bytes(self.bytes_at(8, length)), self.status.st_size - self.start)
        except (OSError, ValueError, RecursionError) as error:
            raise WeightsError(f"{path}: cannot be read as safetensors: {error}") from error

    def read(self, name: str, memory: np.ndarray | None = None) -> np.ndarray:
        """The tensor `name`, float32 or float16, as it is stored; raises `WeightsError`.

        It is in `memory`, uint8 of at least as many bytes, or in memory of its own.
        """
        tensor = self.tensors[name]
        try:
            numbers = self.bytes_at(self.start + tensor.begin, tensor.end - tensor.begin, memory)
        except (OSError, ValueError) as error:
            raise WeightsError(f"{self.path}: can no longer be read: {error}") from error
        return numbers.view(DTYPES[tensor.dtype]).reshape(tensor.shape)

    def bytes_at(self, offset: int, size: int, memory: np.ndarray | None = None) -> np.ndarray:
        """`size` bytes from `offset` on, uint8; raises `OSError`, `ValueError` if the file is too short or has changed.

        A change shows in the file's size or its modification time, which Linux updates in steps of up to 10 ms.
        """
        if offset + size > self.status.st_size:
            raise ValueError(f"it ends after {self.status.st_size:,} bytes, in its header")
        memory = np.empty(size, np.uint8) if memory is None else memory[:size]
        done = 0
        while done < size and (count := read_at(self.descriptor, memory[done:], offset + done)):
            done += count
        now, before = os.fstat(self.descriptor), self.status
        if done < size or (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise ValueError("it has changed since it was opened")
        return memory


def read_at(descriptor: int, memory: np.ndarray, offset: int) -> int:
    """Fills `memory`, uint8, from a file at `offset`; returns how many bytes were read."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [memory.data], offset)
    with POSITION:  # Windows: threads share the file's position; there is no fork
        os.lseek(descriptor, offset, os.SEEK_SET)
        part = os.read(descriptor, len(memory))
    memory[: len(part)] = np.frombuffer(part, np.uint8)
    return len(part)


def parsed(header: bytes, size: int) -> dict[str, Tensor]:
    """The tensors that a header in JSON describes; raises `ValueError` unless they fill the `size` bytes after it."""
    entries = json.loads(header.decode(), object_pairs_hook=without_repetition)
    if not isinstance(entries, dict):
        raise ValueError("its header is not an object")
    tensors = {name: described(name, entry) for name, entry in entries.items() if name != "__metadata__"}
    end = 0
    for part in sorted(tensors.values(), key=lambda part: (part.begin, part.end)):
        if part.begin != end:
            raise ValueError(f"its tensors overlap or leave a gap at byte {end:,}")
        end = part.end
    if end != size:
        raise ValueError(f"its tensors have {end:,} bytes, but {size:,} follow the header")
    return tensors


def described(name: str, entry: object) -> Tensor:
    """A tensor from its entry, {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}; raises `ValueError`."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} is not described by an object with dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not whole_numbers(shape) or not whole_numbers(offsets) or len(offsets) != 2:
        raise ValueError(f"{name}: dtype must be a string, shape a list of whole numbers, and data_offsets two of them")
    begin, end = offsets
    if end < begin or (dtype in DTYPES and prod(shape) * DTYPES[dtype].itemsize != end - begin):
        raise ValueError(f"{name}: its shape does not match its data_offsets")
    return Tensor(dtype, tuple(shape), begin, end)


def whole_numbers(value: object) -> bool:
    """Whether `value` is a short list of whole numbers that can be sizes or positions in a file."""
    return (
        isinstance(value, list)
        and len(value) <= MOST_DIMENSIONS
        and all(type(number) is int and 0 <= number < 1 << 63 for number in value)
    )
