"""This version as the tests see it: how its operators are called, and how accurate it is."""

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from resnet50 import ops
from resnet50.compiler import Compiler
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.plan import Plan, Planner, Value
from resnet50.weights import arrange

TOLERANCE = 2e-5  # promised for every layer of a network: error / largest value of the layer

PARTS = ("op.weight", "op.bias", "op.running_mean", "op.running_var")


@pytest.fixture(scope="session", autouse=True)
def code_cache(tmp_path_factory):
    """Tests begin with an empty cache of compiled code, and leave the user's own as it is.

    Whoever runs the test files in a process each can name one folder for all of them: RESNET50_TEST_CACHE.
    """
    shared = os.environ.get("RESNET50_TEST_CACHE")
    folder = Path(shared) if shared else tmp_path_factory.mktemp("code")
    os.environ["RESNET50_CACHE"] = str(folder / "cache")
    precompile(folder / "include")


def precompile(folder):
    """Has gcc read intrinsics' headers ahead, once for all tests: they take up nine tenths of its time for a file.

    It takes `folder`/immintrin.h.gch for immintrin.h if its flags were the same, and makes the same code of both. Other
    compilers pass over it.
    """
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


def pytest_collection_modifyitems(config, items):
    """Of the 168 convolutions of test_ops.py, C is written for 24: each kernel, padding and stride with one width."""
    left = []
    for item in items:
        if item.originalname == "test_conv2d_is_within_the_rounding_bound":
            sizes, width = dict(item.callspec.params), item.module.CHANNELS
            rank = 8 * (1, 3, 7).index(sizes["kernel"]) + 2 * sizes["padding"] + sizes["stride"]
            if (sizes["inputs"], sizes["outputs"]) != width[rank % len(width)]:
                left.append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


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
