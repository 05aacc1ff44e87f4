"""The pickle in a file of torch.save, read without torch and without running anything that the file names.

A pickle is a program for a machine with a stack. Of its instructions only those that torch's own safe reader knows
(torch/_weights_only_unpickler.py) are carried out here, and of the functions that it may call only those of CALLED:
all of them stand in this file.
"""

import io
import pickle
import struct
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar, NamedTuple

LARGEST = 4 << 20  # bytes; the pickle of a ResNet-50 has 45 kB, and 150 kB with the state of Adam
MOST_DIMENSIONS = 32
MOST_ARGUMENTS = 256  # of a call; the longest are the parts of a path, and each call copies them

PYTHONS: Any = pickle._Unpickler  # type: ignore[attr-defined]  # whose attributes mypy does not know
INSTRUCTIONS = b"".join((
    pickle.PROTO, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.REDUCE, pickle.NEWOBJ, pickle.BUILD,
    pickle.BINPERSID, pickle.BINGET, pickle.LONG_BINGET, pickle.BINPUT, pickle.LONG_BINPUT, pickle.NONE,
    pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT,
    pickle.BINUNICODE, pickle.SHORT_BINSTRING, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2,
    pickle.TUPLE3, pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT, pickle.SETITEM,
    pickle.SETITEMS,
))  # fmt: skip

STORAGES = {  # torch's class -> the type of its numbers, as safetensors calls it
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

# What lies beside the weights in a checkpoint, such as the arguments of the program that trained them. A blank takes
# its place.
IGNORED = {
    "argparse.Namespace",
    "collections.Counter",
    "collections.defaultdict",
    "_codecs.encode",
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "dict", "list", "complex")),
    *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
    "numpy.dtype",
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")),
    "torch.device",
    *(f"torch.{name}" for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool")),
}


class Storage(NamedTuple):
    """A row of numbers in the file: their type, the name under which they lie there, and how many they are."""

    dtype: str
    key: str
    size: int

    @property
    def nbytes(self) -> int:
        """How many bytes the numbers take."""
        return self.size * BYTES[self.dtype]


class Tensor(NamedTuple):
    """A view of a storage: its first number, and by how many numbers a step along each dimension moves on."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: object) -> Tensor:
    """What torch's _rebuild_tensor_v2 is given first; raises `ValueError` unless it lies within its storage."""
    if not isinstance(storage, Storage) or not whole_numbers((offset,)):
        raise ValueError("a tensor in it has no storage, or no place in it")
    if not (whole_numbers(shape) and whole_numbers(strides) and len(shape) == len(strides)):
        raise ValueError("the shape or the strides of a tensor in it are not integers, one for each dimension")
    made = Tensor(storage, offset, tuple(shape), tuple(strides))
    if 0 in made.shape:
        return made
    if prod(made.shape) > storage.size:
        raise ValueError(f"a tensor in it is of shape {made.shape}, but its storage has only {storage.size:,} numbers")
    if offset + sum((side - 1) * stride for side, stride in zip(shape, strides)) >= storage.size:
        raise ValueError(f"a tensor in it of shape {made.shape} reaches past its storage of {storage.size:,}")
    return made


def mapping(pairs: list[Any] | None = None) -> dict[Any, Any]:
    """An OrderedDict, as Python 2 wrote it: from a list of lists, each a key and a value.

    The list is emptied: from a long one, a short pickle could otherwise have a million dictionaries made.
    """
    made: dict[Any, Any] = {}
    if pairs is None:
        return made
    for key, value in pairs:
        made[checked(key)] = value
    pairs.clear()
    return made


def first(value: object, *_: object) -> object:
    """The tensor of a parameter."""
    return value


def blank(*_: object) -> None:
    """What takes the place of anything IGNORED."""


CALLED: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": mapping,
    "torch.Size": first,
    "torch._utils._rebuild_tensor": tensor,
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_parameter": first,
    "torch._utils._rebuild_parameter_with_state": first,
    **dict.fromkeys(IGNORED, blank),
}


class Unpickler(PYTHONS):
    """Reads one pickle; `storages` are those that its tensors lie in.

    This is the Unpickler that the standard library has in Python. The one in C, in Python 3.11, takes 64 GB for five
    bytes (LONG_BINPUT 0xffffffff), and cannot be told to refuse instructions, or keys of dictionaries.
    """

    dispatch: ClassVar[dict[int, Any]] = {code: PYTHONS.dispatch[code] for code in INSTRUCTIONS}

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        """The object; raises `ValueError`."""
        try:
            return super().load()
        except ValueError:
            raise
        except (pickle.UnpicklingError, EOFError, LookupError, AttributeError, TypeError, struct.error) as error:
            raise ValueError(f"its pickle is damaged ({type(error).__name__}: {error})"[:200]) from error

    def find_class(self, module: str, name: str) -> object:
        """What stands for a name here; raises `ValueError` for all that are not known, before anything is imported."""
        full = f"{module}.{name}"
        if module in ("torch", "torch.cuda") and name in STORAGES:
            return STORAGES[name]
        if full not in CALLED:
            raise ValueError(f"it asks for {full}, which is not run here: save model.state_dict() and nothing else")
        return CALLED[full]

    def persistent_load(self, given: object) -> Storage:
        """A storage from what torch writes for it: ("storage", class, key, device, size), formerly also a view."""
        match given:
            case ("storage", str(dtype), str(key), _, int(size), *view) if view in ([], [None]):
                made = Storage(dtype, key, size)
                if dtype in BYTES and 0 <= size < 1 << 48 and self.storages.setdefault(key, made) == made:
                    return made
        raise ValueError("a storage in it is described in a way that torch.save never uses")

    def load_reduce(self) -> None:
        """As in a pickle, but only with few arguments."""
        arguments = self.stack[-1]
        if not isinstance(arguments, tuple) or len(arguments) > MOST_ARGUMENTS:
            raise ValueError("it calls a function with more arguments than torch.save ever writes")
        super().load_reduce()

    def load_build(self) -> None:
        """Drops an object's state: what is needed of an object is in its arguments."""
        self.stack.pop()

    def load_setitem(self) -> None:
        """As in a pickle, but only with keys that a checkpoint has."""
        checked(self.stack[-2])
        super().load_setitem()

    def load_setitems(self) -> None:
        """As in a pickle, but only with keys that a checkpoint has."""
        for key in self.stack[::2]:
            checked(key)
        super().load_setitems()

    dispatch[ord(pickle.REDUCE)] = dispatch[ord(pickle.NEWOBJ)] = load_reduce  # no class stands here, only functions
    dispatch[ord(pickle.BUILD)] = load_build
    dispatch[ord(pickle.SETITEM)] = load_setitem
    dispatch[ord(pickle.SETITEMS)] = load_setitems


def checked(key: object) -> object:
    """A dictionary's key; raises `ValueError` unless it is text or a small number.

    Hashing tuples of tuples takes 2**n steps where each holds the one before twice, and large numbers can be chosen so
    that they all have the same hash.
    """
    if isinstance(key, str) or (isinstance(key, int) and abs(key) < 1 << 31):
        return key
    raise ValueError("a dictionary in it has a key that is neither text nor a small number")


def whole_numbers(value: object) -> bool:
    """Whether `value` is a short tuple of whole numbers that can be sizes or positions."""
    return (
        isinstance(value, tuple)
        and len(value) <= MOST_DIMENSIONS
        and all(type(number) is int and 0 <= number < 1 << 48 for number in value)
    )
