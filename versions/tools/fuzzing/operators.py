"""Calls across the boundary from Python to C, as JSON: operators (03 to 05) or plans (06 on), and hostile buffers.

An array is {"shape", "dtype", "layout"}; the layouts are those of child/operators.py.
"""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fuzzing.mutation import EDGES

LAYOUTS = ["dense"] * 6 + ["every_other", "reversed", "broadcast", "transposed", "unaligned", "read_only", "memoryview",
           "grown", "nothing", "bytes", "list"]  # fmt: skip
DTYPES = ["<f4"] * 6 + [">f4", "<f8", "<f2", "<i4", "<c8", "V4", "O", "S4", "?", "M8[s]"]
OPERATORS = {  # name -> the numbers of dimensions of its tensors, and its other parameters
    "conv2d": ([3, 4], ["stride", "padding"]),
    "batch_norm": ([3, 1, 1, 1, 1], []),
    "relu": ([3], []),
    "max_pool": ([3], ["kernel", "stride", "padding"]),
    "average_pool": ([3], []),
    "linear": ([1, 2, 1], []),
    "add": ([3, 3], []),
}
SIZES = [4, 4, 3, 3, 1, 1, 1, 0]  # height, width, channels, outputs, kernel height and width, stride, padding
WEIGHTS = {"conv2d": [[9]], "batch_norm": [[3]] * 4, "linear": [[9], [3]]}


def sizes() -> SearchStrategy[int]:
    """Mostly small numbers, so that shapes fit by chance; few are zero."""
    return st.sampled_from([1, 1, 2, 3, 4, 5, 8, 9, 64, 65, 0])


def maybe(number: int) -> SearchStrategy[int]:
    """The given number, or sometimes another one."""
    near = st.integers(number - 2, number + 2) | st.sampled_from(EDGES)
    return st.integers(0, 19).flatmap(lambda chance: near if chance == 1 else st.just(number))


@st.composite
def arrays(draw: DrawFn, shape: list[int]) -> Any:
    """An array of this shape, which may be hostile in some other way."""
    hostile = draw(st.integers(0, 15)) == 1
    return {
        "shape": shape,
        "dtype": draw(st.sampled_from(DTYPES)) if hostile else "<f4",
        "layout": draw(st.sampled_from(LAYOUTS)) if hostile else "dense",
    }


@st.composite
def operator_calls(draw: DrawFn) -> Any:
    """One call of an operator; the shapes fit, except one that may have been replaced."""
    name = draw(st.sampled_from(list(OPERATORS)))
    dimensions, numbers = OPERATORS[name]
    channels, outputs = draw(sizes()), draw(sizes())
    picture = [draw(sizes()), draw(sizes()), channels]
    shapes = [picture if count == 3 else [channels] for count in dimensions]
    if name == "conv2d":
        shapes[1] = [outputs, draw(sizes()), draw(sizes()), channels]
    if name == "linear":
        shapes[1:] = [[outputs, channels], [outputs]]
    changed = draw(st.integers(0, 3 * len(shapes)))
    shapes = [draw(st.lists(sizes(), max_size=5)) if i == changed else shape for i, shape in enumerate(shapes)]
    given = st.integers(-1, 12) | st.sampled_from([size for size in EDGES if abs(size) > 2**30])
    return {
        "operator": name,
        "tensors": [draw(arrays(shape)) for shape in shapes],
        "numbers": {number: draw(given) for number in numbers},
    }


@st.composite
def steps(draw: DrawFn) -> Any:
    """A step of a plan that fits an arena of 96 numbers, with some numbers changed."""
    name = draw(st.sampled_from(list(OPERATORS)))
    if draw(st.integers(0, 30)) == 0:
        name = draw(st.sampled_from(["", "RELU", "conv2d\0", "\ud800"]))
    shape = list(SIZES)
    if name == "max_pool":
        shape[4:8] = draw(st.sampled_from([[3, 3, 2, 1], [2, 2, 2, 0], [1, 1, 1, 0], [3, 2, 1, 1]]))
    if name == "linear":
        shape[:2] = [1, 1]
    weights = [[draw(maybe(size)) % 1000 for size in shape] for shape in WEIGHTS.get(name, [])]
    return [
        name,
        *(draw(maybe(place)) for place in (48, 0, 0)),
        draw(st.none()) if draw(st.integers(0, 30)) == 0 else [draw(maybe(size)) for size in shape],
        [draw(arrays(weight)) for weight in weights],
    ]


@st.composite
def plans(draw: DrawFn) -> Any:
    """A plan, and the buffers with which it is run."""
    return {
        "plan": [draw(maybe(96)), [draw(maybe(0)), draw(maybe(48))], [draw(maybe(48)), draw(maybe(48))]],
        "steps": draw(st.lists(steps(), min_size=1, max_size=3)),
        "run": [draw(arrays([draw(maybe(size)) % 1000])) for size in (96, 48, 48)],
        "one_memory": draw(st.integers(0, 7)) == 0,
        "step": draw(maybe(0)),
    }


def calls() -> SearchStrategy[bytes]:
    """Calls of operators, for the versions that have them."""
    return operator_calls().map(json.dumps).map(str.encode)


def programs() -> SearchStrategy[bytes]:
    """Plans, for the versions that have them."""
    return plans().map(json.dumps).map(str.encode)
