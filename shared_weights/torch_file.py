"""A file of torch.save, read without torch, in both of its layouts (torch/serialization.py).

Since torch 1.6 it is a ZIP archive: NAME/data.pkl has the objects, NAME/data/KEY the numbers of each storage, and
NAME/byteorder says how they lie. Before, it was five pickles (a magic number, a version, the machine, the objects, and
the keys of the storages), followed by the storages, each with its length before it.
"""

import io
import pickle
import zipfile
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from .torch_pickle import BYTES, LARGEST, Storage, Tensor, Unpickler

ZIP, LEGACY, TAR = b"PK\x03\x04", pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), (257, b"ustar")
ENTRY, MOST_MEMBERS = b"PK\x01\x02", 100_000  # what each member's entry begins with; each takes zipfile 500 bytes
VERSION = 1001  # of the older layout: torch has never written another
DTYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "I16": "i2",
          "I8": "i1", "U8": "u1", "BOOL": "?"}  # fmt: skip

Order = Literal["<", ">"]
ReadStorage = Callable[[Storage], bytes]  # the numbers of a storage; raises ValueError
ReadTensor = Callable[[Tensor], np.ndarray]


def is_one(content: bytes) -> bool:
    """Whether a file begins as torch.save lets it begin."""
    return content.startswith((ZIP, LEGACY)) or content[TAR[0] :].startswith(TAR[1])


def read(content: bytes) -> tuple[Any, ReadTensor]:
    """The objects in a file, in which each tensor is a `Tensor`, and the function that reads the numbers of one.

    A function or class that the file names is never called. Raises `ValueError`, as does the function.
    """
    order: Order = "<"
    if content.startswith(ZIP):
        tree, read_storage, order = _archive(content)
    elif content.startswith(LEGACY):
        tree, read_storage = _five_pickles(content)
    else:
        raise ValueError("it has the tar layout from before torch 0.2: load it with torch 1, save its state_dict again")
    read_storage = lru_cache(maxsize=1)(read_storage)  # all tensors may be views of one storage
    return tree, lambda tensor: _numbers(tensor, read_storage(tensor.storage), order)


def bfloat16(values: np.ndarray) -> np.ndarray:
    """bfloat16 numbers, given as uint16, in float32: they are its upper halves."""
    return (values.astype(np.uint32) << 16).view(np.float32)


def _numbers(tensor: Tensor, data: bytes, order: Order) -> np.ndarray:
    """The tensor's numbers in this machine's byte order; NumPy, too, refuses to look past the end of `data`."""
    dtype = np.dtype(DTYPES[tensor.storage.dtype]).newbyteorder(order)
    if 0 in tensor.shape:
        values = np.empty(tensor.shape, dtype)
    else:
        strides = [step * dtype.itemsize for step in tensor.strides]
        values = np.ndarray(tensor.shape, dtype, data, tensor.offset * dtype.itemsize, strides)
    values = values.astype(dtype.newbyteorder("="))
    return bfloat16(values) if tensor.storage.dtype == "BF16" else values


def _archive(content: bytes) -> tuple[Any, ReadStorage, Order]:
    """The objects in a ZIP archive, the function that reads a storage, and the byte order."""
    if content.count(ENTRY) > MOST_MEMBERS:
        raise ValueError(f"it is a ZIP archive of more than {MOST_MEMBERS:,} members")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OverflowError) as error:
        raise ValueError(f"it is not a complete ZIP archive ({error}): perhaps an interrupted download") from error
    members = _members(archive, len(content))
    found = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError("it is a ZIP archive, but not from torch.save: there is no data.pkl in its folder")
    folder = found[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        raise ValueError("it is a program (TorchScript): save model.state_dict() of the network that it was made from")

    def member(name: str, size: int | None = None) -> bytes:
        if name not in members:
            raise ValueError(f"it has no member {name}")
        if size is not None and members[name].file_size != size:
            raise ValueError(f"its member {name} has {members[name].file_size:,} bytes, but {size:,} are declared")
        try:
            return archive.read(members[name])
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OverflowError) as error:
            raise ValueError(f"its member {name} is damaged ({error})") from error

    if members[found[0]].file_size > LARGEST:
        raise ValueError(f"its {found[0]} has {members[found[0]].file_size:,} bytes, more than {LARGEST:,}")
    order = member(f"{folder}byteorder") if f"{folder}byteorder" in members else b"little"
    if order not in (b"little", b"big"):
        raise ValueError("its byteorder is neither little nor big")
    tree = Unpickler(io.BytesIO(member(found[0]))).load()
    return tree, lambda storage: member(f"{folder}data/{storage.key}", storage.nbytes), ">" if order == b"big" else "<"


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """An archive's members by name; raises `ValueError` unless they can be those of torch.save.

    They are stored as they are, so that none can be larger than the file, of `size` bytes, nor all of them together.
    """
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ValueError("two of its members have the same name")
    for name, info in members.items():
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise ValueError(f"its member {name} is compressed or encrypted, which torch.save never does")
    if sum(info.file_size for info in members.values()) > size:
        raise ValueError("its members are larger than the file: they overlap")
    return members


def _five_pickles(content: bytes) -> tuple[Any, ReadStorage]:
    """The objects in the older layout, and the function that reads a storage."""
    stream = io.BytesIO(content[:LARGEST])
    readers = [Unpickler(stream) for _ in range(5)]
    _, version, _, tree, keys = (reader.load() for reader in readers)
    storages = readers[3].storages
    if version != VERSION:
        raise ValueError("it has a layout that torch has never written")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise ValueError("its list of storages is not the one that its tensors use")
    places, place = {}, stream.tell()
    for key in keys:
        storage = storages[key]
        places[key] = place + 8
        if int.from_bytes(content[place : place + 8], "little") != storage.size:
            raise ValueError(f"the storage {key} does not have the {storage.size:,} numbers that are declared")
        place += 8 + storage.size * BYTES[storage.dtype]
    if place > len(content):
        raise ValueError(f"it ends after {len(content):,} bytes, but its storages take {place:,}")
    return tree, lambda storage: content[places[storage.key] : places[storage.key] + storage.nbytes]
