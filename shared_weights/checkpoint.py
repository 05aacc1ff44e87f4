"""The tensors of a trained network in the files that people have: of torch.save, or safetensors, whole or in shards.

A file is read whole at once, and only then looked at: what another process does to it meanwhile can't matter.
"""

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from . import strict_json, torch_file
from .sets import WeightSetError
from .torch_file import DTYPES, bfloat16
from .torch_pickle import Tensor

LARGEST = 2 << 30  # bytes; a ResNet-50's weights have 102 MB, and with what training keeps beside them 500 MB
LARGEST_INDEX = 1 << 20
MOST_SHARDS = 100
FILES = ("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin")  # of a folder the first is taken

FLOATS = ("F64", "F32", "F16", "BF16")
# Under which keys a whole checkpoint has its weights. The averaged ones (EMA) come first: they are those that the
# accuracy was measured with.
AVERAGED = ("state_dict_ema", "model_ema", "model_ema_state_dict", "ema_state_dict", "ema")
WRAPPERS = (*AVERAGED, "state_dict", "model_state_dict", "model", "module", "net", "network")
DEEPEST = 4


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its type, as safetensors calls it, its shape, and the function that reads its numbers.

    bfloat16 numbers are read as float32, which holds them exactly. The function raises `ValueError`.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """A network's tensors by name; `path` is where they are, and `key` what led to them inside, such as `model`."""

    path: Path
    tensors: Mapping[str, Stored]
    key: str = ""

    def in_float32(self) -> dict[str, np.ndarray]:
        """The tensors' numbers, float32; raises `WeightSetError` if they are none that a network can have."""
        try:
            return {name: _in_float32(name, one) for name, one in self.tensors.items()}
        except MemoryError as error:
            raise WeightSetError(f"{self.path}: there is not enough memory to read it") from error
        except ValueError as error:
            raise refusal(self.path, error) from error


def refusal(path: Path, error: ValueError) -> WeightSetError:
    """The sentence that names the file; a name in it may be as long as the file."""
    return WeightSetError(f"{path}: can't be imported: {error}"[:600])


def read(path: Path) -> Checkpoint:
    """The tensors in a file, or in a folder as Hugging Face has them; raises `WeightSetError`."""
    try:
        if path.is_dir():
            path = _in_folder(path)
        content = content_of(path, LARGEST)
        if content[:64].lstrip()[:1] == b"{" and b"\0" not in content[:8]:  # safetensors begins with a length
            return Checkpoint(path, _sharded(path, content))
        if torch_file.is_one(content):
            tree, read_tensor = torch_file.read(content)
            key, tensors = _state_dict(tree)
            return Checkpoint(path, {name: _stored(one, read_tensor) for name, one in tensors.items()}, key)
        return Checkpoint(path, _safetensors(content))
    except OSError as error:
        raise WeightSetError(f"{error.filename or path}: {error.strerror}") from error
    except MemoryError as error:
        raise WeightSetError(f"{path}: there is not enough memory to read it") from error
    except ValueError as error:
        raise refusal(path, error) from error


def _in_folder(folder: Path) -> Path:
    """The file to read in a folder."""
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise ValueError(f"the folder has none of {', '.join(FILES)}")


def content_of(path: Path, largest: int) -> bytes:
    """The bytes of a file; raises `OSError`, or `ValueError` if it is a pipe or a device, or too large."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a file")
    if status.st_size > largest:
        raise ValueError(f"it has {status.st_size:,} bytes, more than {largest:,}")
    content = path.read_bytes()
    if content.startswith(b"version https://git-lfs"):
        raise ValueError("it is a Git LFS pointer to the file: `git lfs pull` gets the file itself")
    return content


def _state_dict(tree: Any) -> tuple[str, dict[str, Tensor]]:
    """The tensors of a network in the objects of a file, and the keys that led to them, joined by a dot."""
    keys: list[str] = []
    while isinstance(tree, dict) and len(keys) < DEEPEST:
        wrapped = (key for key in WRAPPERS if isinstance(tree.get(key), dict))
        inner = next((key for key in wrapped if _holds_tensors(tree[key])), None)
        if inner is None:
            break
        keys.append(inner)
        tree = tree[inner]
    found = {name: one for name, one in tree.items() if isinstance(one, Tensor)} if isinstance(tree, dict) else {}
    if not found or not all(isinstance(name, str) for name in found):
        raise ValueError("it holds no state dict, nor one under any of the usual keys of a checkpoint")
    return ".".join(keys), found


def _holds_tensors(tree: dict[Any, Any]) -> bool:
    """Whether a dictionary has tensors in it, or in one of those that it wraps.

    A pickle may put a dictionary into itself under each of the eleven keys: at each depth it is looked at once.
    """
    layer = {id(tree): tree}
    for _ in range(DEEPEST + 1):
        if any(isinstance(one, Tensor) for each in layer.values() for one in each.values()):
            return True
        inner = (each.get(key) for each in layer.values() for key in WRAPPERS)
        layer = {id(one): one for one in inner if isinstance(one, dict)}
    return False


def _stored(tensor: Tensor, read_tensor: Callable[[Tensor], np.ndarray]) -> Stored:
    return Stored(tensor.storage.dtype, tensor.shape, partial(read_tensor, tensor))


def _safetensors(content: bytes) -> dict[str, Stored]:
    """The tensors in the bytes of a safetensors file."""
    try:
        entries = deserialize(content)
    except SafetensorError as error:
        raise ValueError(f"it is neither a file from torch.save nor safetensors ({error})") from error
    strict_json.check_header(content)
    return {name: Stored(one["dtype"], tuple(one["shape"]), partial(_raw, one)) for name, one in entries}


def _in_float32(name: str, stored: Stored) -> np.ndarray:
    """A tensor's numbers, float32; raises `ValueError`."""
    if stored.dtype not in FLOATS:
        raise ValueError(f"{name} holds numbers of type {stored.dtype}, not floating-point ones")
    values = stored.read()
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds a value that is not finite")
    with np.errstate(over="ignore"):
        converted = values.astype(np.float32, copy=False)
    if not np.isfinite(converted).all():
        raise ValueError(f"{name} holds {np.abs(values).max():.3g}, which is too large for float32")
    return converted


def _raw(entry: Mapping[str, Any]) -> np.ndarray:
    """The numbers of a tensor in a safetensors file."""
    if entry["dtype"] not in DTYPES:
        raise ValueError(f"numbers of type {entry['dtype']} can't be read")
    dtype = np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<")
    values = np.frombuffer(entry["data"], dtype).reshape(entry["shape"]).astype(dtype.newbyteorder("="))
    return bfloat16(values) if entry["dtype"] == "BF16" else values


def _sharded(path: Path, content: bytes) -> dict[str, Stored]:
    """The tensors of the files that an index names for them: {"weight_map": {tensor: file beside the index}}."""
    try:
        index = strict_json.loads(content[:LARGEST_INDEX])["weight_map"]
        names = {name: file for name, file in index.items() if isinstance(file, str)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is not an index of shards: JSON with a weight_map, and no name twice") from error
    files = sorted(set(names.values()))
    if len(names) != len(index) or len(files) > MOST_SHARDS:
        raise ValueError(f"its weight_map does not map names to files, at most {MOST_SHARDS}")
    found: dict[str, Stored] = {}
    room = LARGEST
    for file in files:
        if Path(file).name != file or "\\" in file or "\0" in file:
            raise ValueError(f"the shard {file!r} is not a file beside the index")
        content = content_of(path.with_name(file), room)
        room -= len(content)
        here = _safetensors(content)
        if missing := [name for name, where in names.items() if where == file and name not in here]:
            raise ValueError(f"the shard {file} has no tensor {missing[0]}")
        found |= {name: here[name] for name, where in names.items() if where == file}
    return found
