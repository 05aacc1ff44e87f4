"""The boundary between Python and C, with the arrays and numbers that fuzzing/operators.py describes."""

import importlib.util
import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from resnet50 import ops

NAMED = (TypeError, ValueError, BufferError, OverflowError, MemoryError)
SIZES = [4, 4, 3, 3, 1, 1, 1, 0]
BIAS = {"shape": [3], "dtype": "<f4", "layout": "dense"}  # of a convolution that has one


def built(given: dict[str, Any]) -> Any:
    """An array, or the object passed in place of one."""
    shape, dtype = given["shape"], np.dtype(given["dtype"])
    if any(size < 0 for size in shape) or prod(shape) > 1 << 20:
        shape = [1]
    array = (np.arange(prod(shape)) % 7).astype(dtype).reshape(shape)
    match given["layout"]:
        case "every_other":
            return np.repeat(array, 2, axis=-1)[..., ::2] if shape else array
        case "reversed":
            return array[::-1] if shape else array
        case "transposed":
            return array.T.copy().T
        case "broadcast":
            return np.broadcast_to(array.ravel()[:1], shape) if array.size else array
        case "unaligned":
            return memoryview(b"x" + array.tobytes())[1:]
        case "read_only":
            array.flags.writeable = False
        case "memoryview":
            return memoryview(array)  # type: ignore[arg-type]
        case "grown":
            return bytearray(array.tobytes())
        case "nothing":
            return None
        case "bytes":
            return array.tobytes()
        case "list":
            return array.tolist()
    return array


def calls(folder: Path):
    """Calls of one operator with its tensors."""

    def call(data: bytes) -> None:
        given = json.loads(data)
        getattr(ops, given["operator"])(*map(built, given["tensors"]), **given["numbers"])

    return call, NAMED


def programs(folder: Path):
    """Plans, each of which is made, run as a whole, and run step by step."""
    kernels = compiled()
    crew = [ops.crew(2, False)] if hasattr(ops, "crew") else []

    def step(name, output, x, y, sizes, weights):
        kernel = kernels.get((name, *(sizes or ())))
        if kernel:
            name, sizes, numbers = kernel
            right = {9: numbers[0], 3: numbers[-1]}
            weights = [*weights, BIAS][: max(len(weights), len(numbers))]
            weights = [weight | {"shape": [right.get(size, size) for size in weight["shape"]]} for weight in weights]
        elif in_bytes() and name in ("max_pool", "average_pool"):
            name, sizes, weights = step_in_bytes(name, sizes)
        elif name == "average_pool" and fuses() and sizes:
            sizes = [sizes[0] * sizes[1], sizes[2]]
        return name, output, x, y, tuple(sizes) if isinstance(sizes, list) else sizes, tuple(map(built, weights))

    def call(data: bytes) -> None:
        given = json.loads(data)
        floats, source, target = given["plan"]
        plan = ops.Program(floats, tuple(source), tuple(target), tuple(step(*one) for one in given["steps"]))
        arena, image, output = map(built, given["run"])
        if given["one_memory"]:
            memory = np.zeros(200, np.float32)
            arena, image, output = memory[:96], memory[50:148], memory[148:]
        plan.run(*crew, arena, image, output)
        plan.run_step(*crew, arena, given["step"])

    return call, NAMED


def in_bytes() -> bool:
    """Whether the version computes in 8-bit integers."""
    return importlib.util.find_spec("resnet50.quantisation") is not None


def step_in_bytes(name, sizes):
    """A pooling as such a version has it: max pooling is part of a convolution, and `quantise` is in its place."""
    if name == "max_pool":
        return "quantise", sizes and [*sizes[:2], sizes[7]], [BIAS | {"shape": [2]}]
    return name, sizes and [sizes[0] * sizes[1], sizes[2]], [BIAS | {"shape": [1]}]


def fuses() -> bool:
    """Whether the version's convolutions have a bias, and take what stands in their output for a residual."""
    try:
        from resnet50.tiles import Convolution
    except ImportError:  # before 07 no C is generated
        return False
    return hasattr(Convolution, "residual")


def compiled() -> dict[tuple, tuple[str, object, list[int]]]:
    """Operator and sizes -> operator in C, compiled convolution, sizes of its weights; empty if there are none."""
    if not hasattr(ops, "load"):
        return {}
    from resnet50 import compiler, packing
    from resnet50.instruction_sets import instruction_set
    from resnet50.tiles import Convolution

    isa, found = instruction_set(), {}
    for name, sizes in (("conv2d", SIZES), ("linear", [1, 1, *SIZES[2:]])):
        conv = Convolution(*sizes, residual=name == "conv2d", relu=True) if fuses() else Convolution(*sizes)
        numbers = [packing.packed_size(conv.outputs, conv.kernel_size, isa)]
        if in_bytes():
            numbers.append(packing.constants_size(conv.outputs, isa))
        elif fuses():
            numbers.append(packing.packed_size(conv.outputs, 1, isa))
        elif name == "linear":
            numbers.append(3)
        operator = "conv2d" if fuses() else name
        found[name, *sizes] = operator, compiler.load([conv], isa)[conv], numbers
    return found
