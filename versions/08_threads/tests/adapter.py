"""This version as the tests see it: how its operators are called, and how accurate it is."""

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
from resnet50 import ops
from resnet50.compiler import Compiler
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.plan import Plan, Planner, Value
from resnet50.weights import arrange

FUSED = False  # `on_layer` is told of every layer, not only of the last of each step
TOLERANCE = 2e-5  # promised for every layer of a network: error / largest value of the layer
EVERY_WIDTH = False  # each combination is compiled, so it is tried with one number of channels

PARTS = ("op.weight", "op.bias", "op.running_mean", "op.running_var")


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
    """The weights of a network of one layer, given as arrays in the weight file's layout."""

    def __init__(self, tensors):
        self.isa = instruction_set()
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        self.arranged = {name: arrange(tensor, self.isa) for name, tensor in tensors.items() if tensor.ndim != 3}

    def __getitem__(self, name):
        return self.arranged[name]


@cache
def crews():
    """A crew of one thread and a crew of three, among whom no layer of the tests is split evenly."""
    return [ops.crew(1, False), ops.crew(3, False)]


def run_op(name, *tensors, **settings):
    """Runs a plan of one step, the operator `name`, on arrays in the weight file's layout; returns an array.

    Every crew must give the same result.
    """
    x, *others = tensors
    planner = Planner(Given(dict(zip(PARTS, others, strict=False))), 1, 1)
    planner.input.shape = x.shape
    inputs = {planner.input: x}
    if name == "add":
        inputs[Value(others[0].shape, made=-1, read=-1)] = others[0]
    elif name == "conv2d":
        settings["kernel"] = None  # given by the weight's shape
    planner.values = list(inputs)
    prepare()
    plan = Plan(planner, getattr(planner, name)(*inputs, name="op", **settings), None)
    arena = plan.idle[0]
    for value, array in inputs.items():
        plan.look(arena, value)[:] = array
    outputs = []
    for crew in crews():
        plan.look(arena, plan.output)[:] = 7
        plan.program.run_step(crew, arena, 0)
        outputs.append(plan.look(arena, plan.output).copy())
    np.testing.assert_array_equal(*outputs)
    return outputs[0]
