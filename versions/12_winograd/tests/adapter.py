"""This version as the tests see it: how its operators are called, and how accurate it is."""

import os
import subprocess
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
from resnet50 import ops
from resnet50.compiler import Compiler
from resnet50.folding import scale_and_bias
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.packing import arrange
from resnet50.plan import Plan, Planner, Value
from resnet50.weights import Weights

FUSED = True  # `on_layer` is told only of the last layer of each step
TOLERANCE = 2e-5  # promised for every layer of a network: error / largest value of the layer
EVERY_WIDTH = False  # each combination is compiled, so it is tried with one number of channels

NOTHING = np.empty((0, 0), np.float32)  # the weights of a layer that has none


@cache
def prepare():
    """Precompiles the headers of the intrinsics once for all tests: they take nine tenths of gcc's time for a file.

    gcc reads immintrin.h.gch instead of immintrin.h if the flags are the same, and makes the same code of both. Other
    compilers ignore it.
    """
    folder = Path(os.environ["RESNET50_TEST_CACHE"], "include")
    for name, isa in INSTRUCTION_SETS.items():
        header = folder / f"{isa.header}.gch" / name
        header.parent.mkdir(parents=True, exist_ok=True)
        if not header.exists():
            source, made = (folder / f"{name}_{os.getpid()}.{end}" for end in ("h", "gch"))
            source.write_text(f"#include <{isa.header}>\n")
            command = [*Compiler(isa).command[:-2], "c-header", source, "-o", made]  # in place of "c", "-"
            if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                made.replace(header)
    os.environ["CPATH"] = os.pathsep.join([str(folder), *filter(None, [os.environ.get("CPATH")])])


class Given:
    """The weights of a network of one layer, `op`: kernels (O, I, H, W) or (O, I), their scale and bias."""

    path = "op"
    transformed = Weights.transformed

    def __init__(self, kernels, scale, bias):
        self.isa = instruction_set()
        self.shapes = {"op.weight": kernels.shape}
        self.winograd = {}
        arranged = arrange(kernels, scale, bias, self.isa) if kernels.size else ()
        self.arranged = dict(zip(("op.weight", "op.bias"), arranged))

    def __getitem__(self, name):
        return self.arranged[name]


@cache
def crews():
    """A crew of one thread and a crew of three, among whom no layer of the tests is split evenly."""
    return [ops.crew(1, False), ops.crew(3, False)]


def run_step(operator, x, kernels=NOTHING, scale=1.0, bias=0.0, add=None, form=None, **settings):
    """Runs a plan of one layer, the planner's method `operator`; `add`: what it is added to. Returns an array.

    Convolutions are done directly, or in Winograd's `form`. Every crew must give the same result.
    """
    scale, bias = (np.broadcast_to(np.float64(each), len(kernels)) for each in (scale, bias))
    planner = Planner(Given(kernels, scale, bias), 1, 1, workers=3)
    planner.input.shape = x.shape
    inputs = {planner.input: x}
    if add is not None:
        settings["add"] = Value(add.shape, made=-1, read=-1)
        inputs[settings["add"]] = add
    planner.values = list(inputs)
    prepare()
    with mock.patch("resnet50.plan.choose", lambda conv, isa: None if conv.residual else form):
        plan = Plan(planner, getattr(planner, operator)(planner.input, **settings), None)
    arena = plan.idle[0]
    outputs = []
    for crew in crews():
        arena[:] = np.nan
        for value, array in inputs.items():
            plan.look(arena, value)[:] = array
        for index in range(len(plan.steps)):
            plan.program.run_step(crew, arena, index)
        outputs.append(plan.look(arena, plan.output).copy())
    np.testing.assert_array_equal(*outputs)
    return outputs[0]


def convolved(x, kernels, relu=False, stride=1, padding=0, **settings):
    """A convolution and what is fused with it; a residual sum is given as `add`, a batch norm as `scale` and `bias`."""
    names = {"conv": "op", "norm": "op", "relu": "op" if relu else None}
    sizes = {"kernel": None, "stride": stride, "padding": padding}  # the kernel's size is that of the weight
    return run_step("conv2d", x, kernels, **names, **sizes, **settings)


def pooled(x, kernels, pool, relu=False, stride=1, padding=0, **settings):
    """A convolution and the max pooling that is fused with it; `pool`: its kernel, stride and padding."""
    names = {"conv": "op", "norm": "op", "relu": "op" if relu else None, "name": "op"}
    sizes = {"kernel": None, "stride": stride, "padding": padding, "pool": pool}
    return run_step("stem", x, kernels, **names, **sizes, **settings)


def copies(channels):
    """The kernels of a 1x1 convolution that changes nothing; only infinity and NaN spread among a pixel's channels."""
    return np.eye(channels, dtype=np.float32)[:, :, None, None]


def batch_norm(x, *norm):
    """Batch norm folded into a convolution that changes nothing."""
    scale, bias = scale_and_bias(norm)
    return convolved(x, copies(x.shape[2]), scale=scale, bias=bias)


def relu(x):
    """ReLU after x was added to a convolution that gives zeros, so that infinity and NaN stay where they are."""
    zeros = np.zeros((*x.shape[:2], 1), np.float32), np.zeros((x.shape[2], 1, 1, 1), np.float32)
    return convolved(*zeros, relu=True, add=x)


def max_pool(x, kernel, stride, padding):
    """The pooling of convolutions that change nothing: one for each channel, so that infinity and NaN stay there."""
    channels = np.split(x, x.shape[2], axis=2)
    return np.dstack([pooled(channel, copies(1), (kernel, stride, padding)) for channel in channels])


OPERATORS = {  # some are not there alone any more: they are a step in which everything else changes nothing
    "conv2d": convolved,
    "batch_norm": batch_norm,
    "relu": relu,
    "add": lambda x, y: convolved(x, copies(x.shape[2]), add=y),
    "max_pool": max_pool,
    "average_pool": lambda x: run_step("average_pool", x, name="op"),
    "linear": lambda x, weight, bias: run_step("linear", x, weight, bias=bias, name="op"),
}


def run_op(name, *tensors, **settings):
    """Runs the operator `name` on arrays in the weight file's layout; returns an array."""
    return OPERATORS[name](*tensors, **settings)
