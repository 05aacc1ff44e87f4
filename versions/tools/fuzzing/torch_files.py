"""Files as torch.save writes them, made without torch: for the tests and as the start of hostile ones.

`nox -s reference` checks that torch reads them, and that torch's own are read alike.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

KINDS = {"f8": "DoubleStorage", "f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage", "i4": "IntStorage",
         "i2": "ShortStorage", "i1": "CharStorage", "u1": "ByteStorage", "b1": "BoolStorage"}  # fmt: skip
PYTHONS: Any = pickle._Pickler  # type: ignore[attr-defined]  # whose attributes mypy does not know
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


@dataclass(frozen=True, eq=False)
class Global:
    """What a module holds under a name; it is pickled as its name."""

    module: str
    name: str

    def __call__(self) -> None:
        """Never called: pickle asks of what it is to call that it can be called."""


@dataclass(frozen=True, eq=False)
class Storage:
    """The numbers of one tensor or several, and what the file says of them: `kind` is torch's class."""

    kind: str
    data: bytes
    size: Any
    key: Any = None  # by default the storages are counted


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage, with any numbers."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


class Call(NamedTuple):
    """What is pickled as the call of a function, or the making of an object."""

    function: Any
    arguments: tuple[Any, ...]


def of(array: np.ndarray) -> Tensor:
    """A tensor with a storage of its own."""
    kind = KINDS[array.dtype.newbyteorder("=").str[1:]]
    strides = tuple(step // array.itemsize for step in np.empty(array.shape, array.dtype).strides)
    return Tensor(Storage(kind, array.tobytes(), array.size), 0, array.shape, strides)


class Pickler(PYTHONS):
    """Pickles objects in which the tensors are arrays, or `Tensor`s; `storages` are those that it has met, by key."""

    def __init__(self, file: io.BytesIO, view: tuple[None, ...] = ()) -> None:
        super().__init__(file, protocol=2)
        self.view, self.storages, self.keys = view, dict[Any, Storage](), dict[int, Any]()

    def persistent_id(self, obj: object) -> tuple[Any, ...] | None:
        """What stands for a storage."""
        if not isinstance(obj, Storage):
            return None
        key = self.keys.setdefault(id(obj), str(len(self.keys)) if obj.key is None else obj.key)
        self.storages[key] = obj
        return ("storage", Global("torch", obj.kind), key, "cpu", obj.size, *self.view)

    def reducer_override(self, obj: Any) -> Any:
        """How tensors, calls and names are pickled."""
        match obj:
            case np.ndarray():
                return self.reducer_override(of(obj))
            case Tensor():
                rest: tuple[Any, ...] = (obj.storage, obj.offset, obj.shape, obj.strides, False, OrderedDict())
                return Global("torch._utils", "_rebuild_tensor_v2"), rest
            case Call():
                return obj.function, obj.arguments
            case Global():
                return obj.name
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a name without looking whether it leads to anything."""
        module = obj.module if isinstance(obj, Global) else obj.__module__
        self.write(pickle.GLOBAL + f"{module}\n{name or obj.__qualname__}\n".encode())
        self.memoize(obj)


def pickled(tree: Any, view: tuple[None, ...] = ()) -> tuple[bytes, dict[Any, Storage]]:
    """The bytes of a pickle, and the storages to which it refers."""
    file = io.BytesIO()
    pickler = Pickler(file, view)
    pickler.dump(tree)
    return file.getvalue(), pickler.storages


def zipped(tree: Any, order: str | None = "little") -> bytes:
    """The layout since torch 1.6; without an `order` as before torch 2.1, which did not say it."""
    content, storages = pickled(tree)
    more = {"byteorder": order.encode()} if order else {}
    numbers = {f"data/{key}": storage.data for key, storage in storages.items()}
    return archive({"data.pkl": content, **more, **numbers, "version": b"3\n"})


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP archive with these members in its folder."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(f"archive/{name}"), content, compression)
    return file.getvalue()


def five_pickles(tree: Any) -> bytes:
    """The layout before torch 1.6, in which the keys of the storages were addresses."""
    content, storages = pickled(tree, view=(None,))
    keys = sorted(storages)
    parts = [pickle.dumps(part, protocol=2) for part in (MAGIC, VERSION, MACHINE)]
    sizes = [size if isinstance(size := storages[key].size, int) and 0 <= size < 1 << 63 else 0 for key in keys]
    numbers = [size.to_bytes(8, "little") + storages[key].data for key, size in zip(keys, sizes)]
    return b"".join([*parts, content, pickle.dumps(keys, protocol=2), *numbers])
