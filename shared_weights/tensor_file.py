"""Writing a safetensors file so that the same tensors always give the same bytes.

The format is 8 bytes of header length, a header in JSON, then the values (https://huggingface.co/docs/safetensors).
The safetensors library reads what is written here. It is not used for writing because it does not promise
the order of its header, and a set that is made on every machine must have the same SHA-256.
"""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

DTYPES = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32", np.dtype(np.float64): "F64"}


def write(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write `tensors` (floats of any shape) in their order; `path` appears only when it is complete."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        dtype = DTYPES[tensor.dtype.newbyteorder("=")]
        header[name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": (begin, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that a program that maps the file finds the values aligned
    with appearing_whole(path) as partial, open(partial, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).data)


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to: renamed to `path` if all goes well, else removed.

    Two processes that write the same file at once have a temporary file each; the later one wins. A link remains a
    link. A device or a pipe, such as /dev/stdout, is written to directly.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        with named_errors(path):
            yield path
        return
    target = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:  # it names the temporary file, which the user has never heard of
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    partial = Path(name)
    try:
        with named_errors(path):
            yield partial
        partial.chmod(0o644)  # mkstemp lets only the owner read
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """An error of the system without a file's name, as that of writing to a full disk, becomes one about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
