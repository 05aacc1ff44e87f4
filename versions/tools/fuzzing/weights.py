"""Weight files: a narrow ResNet-50 in safetensors, with its header damaged number by number and byte by byte."""

import json
import re
import struct
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from safetensors.numpy import save

from fuzzing.mutation import damage, damaged, json_bytes, json_values, name_twice, texts, whole_numbers
from mnist.weights import SHIPPED
from shared_weights.architecture import tensors

BASE_WIDTH = 2  # 2 to 64 channels: fewer and more than a vector register holds
CLASSES = 3
DTYPES = ["F32", "F16", "BF16", "F64", "I8", "U8", "I64", "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "f32", "", None, 7]


@cache
def narrow() -> bytes:
    """A valid file: 90 kB of numbers close to those of a trained network."""
    numbers = np.random.RandomState(0)
    drawn = {name: numbers.uniform(0.1, 0.3, shape) for name, shape in tensors(BASE_WIDTH, CLASSES).items()}
    return save({name: tensor.astype(np.float32) for name, tensor in drawn.items()})


def split(file: bytes) -> tuple[dict[str, Any], bytes]:
    """A safetensors file's header and its numbers."""
    (length,) = struct.unpack("<Q", file[:8])
    return json.loads(file[8 : 8 + length]), file[8 + length :]


def joined(header: bytes, numbers: bytes) -> bytes:
    """The safetensors file with this header and these numbers."""
    return struct.pack("<Q", len(header)) + header + numbers


def other_entry(draw: DrawFn, entry: dict[str, Any], end: int) -> Any:
    """A tensor's header entry with a change; `end`: the number of bytes of tensor data."""
    shape, (first, last) = entry["shape"], entry["data_offsets"]
    number = whole_numbers() | st.integers(0, end)
    shapes = st.lists(whole_numbers(), max_size=6) | st.permutations(shape) | st.just([1, *shape]) | json_values()
    ends = st.tuples(number, number) | st.tuples(st.just(first), number) | st.tuples(number, st.just(last))
    changes = {
        "dtype": st.sampled_from(DTYPES),
        "shape": shapes,
        "data_offsets": ends | st.integers(-8, 8).map(lambda by: (first + by, last + by)) | json_values(),
        draw(texts()): json_values(),
    }
    key = draw(st.sampled_from(list(changes)))
    changed = entry | {key: draw(changes[key])}
    return changed if draw(st.integers(0, 7)) else {name: changed[name] for name in list(changed) if name != key}


def other_form(draw: DrawFn, header: dict[str, Any]) -> str:
    """The header as JSON of the same meaning in a form that some readers accept: lists, floats, repeated names."""
    name = draw(st.sampled_from(sorted(header)))
    entry = header[name]
    match draw(st.integers(0, 4)):
        case 0:
            return json.dumps(header | {name: list(entry.values()) if isinstance(entry, dict) else [entry]})
        case 1:
            return json.dumps(list(map(list, header.items())))
        case 2:
            number = draw(st.sampled_from([r"\1.0", r"\1e0", r'"\1"']))
            return re.sub(r"(?<=[\[ ])(\d+)(?=[,\]])", number, json.dumps(header))
        case 3:
            return name_twice(draw, header)
        case _:
            blank = draw(st.sampled_from([" ", "\n", "\0", "\ufeff"])) * draw(st.integers(1, 9))
            return draw(st.sampled_from([blank + json.dumps(header), json.dumps(header) + blank]))


@st.composite
def headers(draw: DrawFn) -> bytes:
    """The correct header with some tensors' entries changed, exchanged, renamed, added or removed, as JSON."""
    right, numbers = split(narrow())
    header = dict(right)
    for _ in range(draw(st.integers(1, 3))):
        name, other = draw(st.sampled_from(sorted(header))), draw(st.sampled_from(sorted(header)))
        match draw(st.integers(0, 6)):
            case 0 | 1 | 2:
                if name in right:
                    header[name] = other_entry(draw, right[name], len(numbers))
            case 3:
                header[name], header[other] = header[other], header[name]
            case 4:
                del header[name]
            case 5:
                header[draw(texts() | st.just("__metadata__"))] = draw(json_values() | st.just(header[name]))
            case _:
                header[f"{name}.num_batches_tracked"] = header.pop(name)
    same = draw(st.integers(0, 3))
    written = json.dumps(header, ensure_ascii=draw(st.booleans())) if same else other_form(draw, header)
    text = written.encode("utf-8", "surrogatepass")
    return text if draw(st.integers(0, 3)) else damage(draw, text)


@st.composite
def damaged_headers(draw: DrawFn) -> bytes:
    """Files with a damaged header, and perhaps a wrong header length too."""
    header, (_, numbers) = draw(headers()), split(narrow())
    if draw(st.integers(0, 3)):
        return joined(header, numbers)
    length = draw(whole_numbers() | st.integers(len(header) - 9, len(header) + 9))
    return (length % 2**64).to_bytes(8, "little") + header + numbers


@st.composite
def other_numbers(draw: DrawFn) -> bytes:
    """Files with a valid header and hostile numbers: NaN, infinities, denormals, the largest floats, wrong signs."""
    header, numbers = split(narrow())
    values = np.frombuffer(numbers, np.float32).copy()
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(values) - 1))
        values[first : first + draw(st.integers(1, 2000))] = draw(st.floats(width=32))
    return joined(json.dumps(header).encode(), values.tobytes())


def inputs() -> SearchStrategy[bytes]:
    """Contents of weights.safetensors, most of them damaged."""
    return damaged_headers() | damaged_headers() | other_numbers() | damaged(lambda: [narrow()])


@st.composite
def mnist_inputs(draw: DrawFn) -> bytes:
    """Weight files of the digit classifier: damaged, or with other metadata than `train` writes."""
    if draw(st.booleans()):
        return damage(draw, SHIPPED.read_bytes())
    header, numbers = split(SHIPPED.read_bytes())
    about = draw(json_bytes([json.loads(header["__metadata__"]["about"])])).decode("latin-1")
    return joined(json.dumps(header | {"__metadata__": {"about": about}}).encode(), numbers)
