"""Trained networks as people have them, in torch's two layouts and in safetensors, damaged at every level."""

import json
import pickle
from collections import OrderedDict
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from safetensors.numpy import load

from fuzzing import weights
from fuzzing.mutation import damage, damaged, json_bytes, json_values, whole_numbers
from fuzzing.torch_files import Call, Global, Storage, Tensor, archive, five_pickles, of, pickled, zipped

INDEX = {"metadata": {"total_size": 1}, "weight_map": {"conv1.weight": "shard", "fc.bias": "shard", "bn1.bias": "none"}}

# Names that a pickle may ask for: those that run something, those that are known, and those that are nearly so.
NAMES = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("__builtin__", "list"),
         ("collections", "OrderedDict"), ("collections", "Counter"), ("torch", "FloatStorage"), ("torch", "Size"),
         ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter"), ("argparse", "Namespace"),
         ("torch.nn.modules.linear", "Linear"), ("copyreg", "_reconstructor"), ("torch", "device")]  # fmt: skip

# Instructions that make an interpreter of pickles work or allocate much, or that torch.save does not write.
FRAGMENTS = [pickle.LONG_BINPUT + b"\xff" * 4, pickle.LONG_BINGET + b"\xff" * 4, pickle.BINPUT + b"\1",
             pickle.BINUNICODE + b"\xff" * 4, pickle.BINBYTES8 + b"\xff" * 8, pickle.BYTEARRAY8 + b"\0\0\0\1" * 2,
             pickle.FRAME + b"\xff" * 8, pickle.LONG4 + b"\xff\xff\xff\x7f", pickle.DUP, pickle.POP, pickle.POP_MARK,
             pickle.MARK, pickle.BUILD, pickle.REDUCE, pickle.NEWOBJ, pickle.BINPERSID, pickle.STOP, pickle.TUPLE2,
             pickle.EMPTY_DICT + pickle.NONE + pickle.NONE + pickle.SETITEM, pickle.EXT1 + b"\1", pickle.EMPTY_SET,
             (pickle.BINPUT + b"\1" + pickle.BINGET + b"\1" + pickle.TUPLE2) * 60]  # fmt: skip


@cache
def state() -> "OrderedDict[str, Any]":
    """A narrow ResNet-50, as a state dict."""
    return OrderedDict(load(weights.narrow()))


@st.composite
def other_trees(draw: DrawFn) -> Any:
    """A checkpoint in which a tensor, a storage or a name is wrong, or which is wrapped in something."""
    tree: Any = dict(state())
    name = draw(st.sampled_from(sorted(tree)))
    tensor = of(tree[name])
    numbers = whole_numbers() | st.none() | st.just("1")
    sizes = st.lists(numbers, max_size=5).map(tuple) | st.permutations(tensor.shape).map(tuple) | json_values()
    match draw(st.integers(0, 4)):
        case 0:
            key = draw(st.none() | st.sampled_from("0179"))
            storage = Storage(draw(kinds()), tensor.storage.data, draw(numbers), key)
            tree[name] = Tensor(storage, tensor.offset, tensor.shape, tensor.strides)
        case 1:
            tree[name] = Tensor(tensor.storage, draw(numbers), draw(sizes), draw(st.just(tensor.strides) | sizes))
        case 2:
            arguments = draw(st.lists(json_values() | st.just(tree[name]), max_size=4))
            tree[draw(st.sampled_from([name, "extra"]))] = Call(Global(*draw(st.sampled_from(NAMES))), tuple(arguments))
        case 3:
            tree[draw(json_values().filter(hashable))] = tree.pop(name)
        case _:
            prefix = draw(st.sampled_from(["module.", "model.", "backbone._orig_mod.", "ema.", "x."]))
            tree = {f"{prefix}{key}": value for key, value in tree.items()}
    wrapper = draw(st.sampled_from(["", "", "state_dict", "model", "ema", "epoch"]))
    return {wrapper: tree, "args": draw(json_values())} if wrapper else tree


def hashable(value: object) -> bool:
    """Whether `value` can be a key."""
    return not isinstance(value, (list, dict))


def kinds() -> SearchStrategy[str]:
    """Names of torch's storages, right and wrong."""
    return st.sampled_from(["FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage", "LongStorage",
                            "BoolStorage", "ComplexFloatStorage", "UntypedStorage", "system"])  # fmt: skip


@st.composite
def other_pickles(draw: DrawFn) -> bytes:
    """An archive whose members are right, but for the pickle, into which instructions were put, or which is damaged."""
    content, storages = pickled({"state_dict": state()})
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(2, 200) | st.integers(2, len(content)))
        content = content[:place] + draw(st.sampled_from(FRAGMENTS)) + content[place:]
    members = {f"data/{key}": storage.data for key, storage in storages.items()}
    first = draw(st.sampled_from(sorted(members)))
    changed = draw(st.sampled_from([first, "byteorder", "constants.pkl"]))
    members[changed] = draw(st.sampled_from([b"big", b"", b"x" * 9]))
    return archive({"data.pkl": damage(draw, content), **members}, draw(st.sampled_from([0, 0, 0, 8])))


@cache
def seeds() -> list[bytes]:
    """Right files of each kind."""
    half = {name: tensor.astype(np.float16) for name, tensor in state().items()}
    swapped = {name: tensor.astype(">f4") for name, tensor in state().items()}
    files = [zipped(state()), five_pickles(state()), zipped({"model": half}), zipped(swapped, "big"), weights.narrow()]
    return [*files, zipped(state(), None), json.dumps(INDEX).encode()]


def inputs() -> SearchStrategy[bytes]:
    """Contents of a checkpoint, most of them damaged."""
    trees = st.builds(lambda tree, old: five_pickles(tree) if old else zipped(tree), other_trees(), st.booleans())
    return trees | other_pickles() | damaged(seeds) | damaged(seeds) | json_bytes([INDEX])
