"""This version as the tests see it: how its operators are called, and how accurate it is."""

import os
import subprocess
from collections import namedtuple
from functools import cache
from pathlib import Path

import numpy as np
from resnet50 import ops
from resnet50.compiler import Compiler
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.packing import arrange
from resnet50.plan import Plan, Planner
from resnet50.quantisation import Scale, Scales

FUSED = True  # `on_layer` is told only of the last layer of each step
TOLERANCE = 0  # promised for every layer of a network: it is what integers.py computes
EVERY_WIDTH = False  # each combination is compiled, so it is tried with one number of channels

Value = namedtuple("Value", "q scale zero_point")  # bytes, and what they mean

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
    """The weights of a network of one layer, `op`: kernels (O, I, H, W) or (O, I), their factor, bias and scales.

    The result has the scale `made`; without, it is float32.
    """

    def __init__(self, kernels, factor, bias, scales, made):
        self.isa = instruction_set()
        self.shapes = {"op.weight": kernels.shape}
        self.scales = {"op": made, "image": scales.x}
        arranged = arrange(kernels, factor, bias, scales, self.isa) if kernels.size else ()
        self.arranged = dict(zip(("op.weight", "op.bias"), arranged))

    def __getitem__(self, name):
        return self.arranged[name]


@cache
def crews():
    """A crew of one thread and a crew of three, among whom no layer of the tests is split evenly."""
    return [ops.crew(1, False), ops.crew(3, False)]


def scale_of(value):
    """The scale of a Value."""
    return Scale(np.float32(value.scale), value.zero_point)


def run_step(operator, x, weights, add=None, **settings):
    """Runs a plan of one layer, the planner's method `operator`; `add`: what it is added to. Returns its output.

    `x` and `add` are Values; `x` may be float32. Every crew must give the same result, whatever was in the
    arena before.
    """
    planner = Planner(weights, 1, 1, workers=3)
    planner.values.clear()
    inputs = {}
    for value in filter(None, (x, add)) if isinstance(x, Value) else ():
        inputs[planner.new(value.q.shape, scale_of(value))] = value.q
    if not inputs:
        inputs[planner.new(x.shape)] = x
    for value in inputs:
        value.made = -1
    first, *others = inputs
    planner.input = first
    if others:
        settings["add"] = others[0]
    prepare()
    plan = Plan(planner, getattr(planner, operator)(first, **settings), None)
    arena = plan.idle[0]
    outputs = []
    for crew in crews():
        arena.view(np.uint8)[:] = 0xAB
        for value, array in inputs.items():
            plan.look(arena, value)[:] = array
        for index in range(len(plan.steps)):
            plan.program.run_step(crew, arena, index)
        outputs.append(plan.look(arena, plan.output).copy())
    np.testing.assert_array_equal(*outputs)
    return outputs[0]


def settings_of(relu, stride, padding, **others):
    """What the planner's methods take for a layer `op`; the kernel's size is that of the weight."""
    names = {"conv": "op", "norm": "op", "relu": "op" if relu else None}
    return {**names, "kernel": None, "stride": stride, "padding": padding, **others}


def convolved(x, kernels, factor, bias, made, relu=False, stride=1, padding=0, add=None, total=None):
    """A convolution's bytes, of the scale `made`; with `add`, those of the sum, of the scale `total`."""
    scales = Scales(scale_of(x), made, scale_of(add) if add else None, total)
    weights = Given(kernels, factor, bias, scales, total or made)
    return run_step("conv2d", x, weights, add, **settings_of(relu, stride, padding))


def pooled(image, kernels, factor, bias, given, made, stride=1, padding=0, pool=(3, 2, 1)):
    """A float32 picture, quantised to the scale `given`, convolved, and pooled to the scale `made`."""
    weights = Given(kernels, factor, bias, Scales(given, made), made)
    return run_step("stem", image, weights, **settings_of(True, stride, padding, pool=pool, name="op"))


def averaged(x, made):
    """The average pooling's bytes, of the scale `made`."""
    return run_step("average_pool", x, Given(NOTHING, None, None, Scales(scale_of(x)), made), name="op")


def linear(x, kernels, bias):
    """A linear layer's float32 output."""
    weights = Given(kernels, np.ones(len(kernels)), bias.astype(np.float64), Scales(scale_of(x)), None)
    return run_step("linear", x, weights, name="op")


def run_op(name, x):
    """Runs an operator that needs nothing else, on bytes that stand for themselves."""
    return {"average_pool": averaged}[name](Value(x, 1.0, 0), Scale(np.float32(1), 0))
