"""What the tests share: how an operator of this version is called, and narrow networks with seeded weights."""

import json
import os
import signal
from functools import cache

import numpy as np
import pytest
from resnet50 import ResNet50, ops
from resnet50.instruction_sets import instruction_set
from resnet50.plan import Plan, Planner, Value
from resnet50.weights import arrange

TOLERANCE = 2e-5  # what this version promises for a whole network: error / largest value of the layer
EPS = 2.0**-23  # float32: a rounding is off by at most EPS / 2

PARTS = ("op.weight", "op.bias", "op.running_mean", "op.running_var")

DTYPES = {  # NumPy's name of a type -> safetensors'
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "uint8": "U8",
    "int32": "I32",
    "int64": "I64",
    "bool": "BOOL",
}

PREPROCESS = {
    "steps": [["center_square"], ["resize", 32]],
    "filter": "bilinear",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


@pytest.fixture(scope="session", autouse=True)
def code_cache(tmp_path_factory):
    """Tests begin with an empty cache of compiled code, and leave the user's own as it is."""
    os.environ["RESNET50_CACHE"] = str(tmp_path_factory.mktemp("cache"))


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
    """Weights for a network of one layer, arrays in the weight file's layout."""

    def __init__(self, tensors):
        self.isa = instruction_set()
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        self.arranged = {name: arrange(tensor, self.isa) for name, tensor in tensors.items() if tensor.ndim != 3}

    def __getitem__(self, name):
        return self.arranged[name]


@cache
def pools():
    """A thread alone, and three: any layer of a test is split unevenly among them."""
    return [ops.pool(1, False), ops.pool(3, False)]


def run_op(name, *tensors, **settings):
    """Runs a plan of one step, the operator `name`, on arrays in the weight file's layout, and returns an array.

    Every pool must give the same.
    """
    x, *others = tensors
    planner = Planner(Given(dict(zip(PARTS, others, strict=False))), 1, 1)
    planner.input.shape = x.shape
    inputs = {planner.input: x}
    if name == "add":
        inputs[Value(others[0].shape, made=-1, read=-1)] = others[0]
    elif name == "conv2d":
        settings["kernel"] = None  # it stands in the weight's shape
    planner.values = list(inputs)
    plan = Plan(planner, getattr(planner, name)(*inputs, name="op", **settings), None)
    arena = plan.idle[0]
    for value, array in inputs.items():
        plan.look(arena, value)[:] = array
    outputs = []
    for pool in pools():
        plan.look(arena, plan.output)[:] = 7
        plan.program.run_step(pool, arena, 0)
        outputs.append(plan.look(arena, plan.output).copy())
    np.testing.assert_array_equal(*outputs)
    return outputs[0]


def random(seed, *shape):
    """float32 normal numbers."""
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)


def narrow_tensors(base_width=5, classes=7, seed=0):
    """A ResNet-50's tensors by torchvision's names, with few channels; the default widths are 5, 10, 20, ..., 160.

    No vector register divides them. Kernels are scaled by the square root of their inputs, and the last batch norm of
    a block by a half, so that activations stay between 0.1 and 100.
    """
    generator = np.random.RandomState(seed)
    tensors = {}

    def conv(name, outputs, inputs, kernel):
        scale = np.sqrt(2.0 / (inputs * kernel * kernel))
        tensors[f"{name}.weight"] = generator.standard_normal((outputs, inputs, kernel, kernel)) * scale

    def norm(name, channels, scale=1.0):
        tensors[f"{name}.weight"] = generator.uniform(0.5, 1.5, channels) * scale
        tensors[f"{name}.bias"] = generator.standard_normal(channels) * 0.1
        tensors[f"{name}.running_mean"] = generator.standard_normal(channels) * 0.1
        tensors[f"{name}.running_var"] = generator.uniform(0.5, 1.5, channels)

    conv("conv1", base_width, 3, 7)
    norm("bn1", base_width)
    inputs = base_width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = base_width << stage
        for block in range(blocks):
            name = f"layer{stage + 1}.{block}"
            conv(f"{name}.conv1", width, inputs, 1)
            norm(f"{name}.bn1", width)
            conv(f"{name}.conv2", width, width, 3)
            norm(f"{name}.bn2", width)
            conv(f"{name}.conv3", 4 * width, width, 1)
            norm(f"{name}.bn3", 4 * width, 0.5)
            if block == 0:
                conv(f"{name}.downsample.0", 4 * width, inputs, 1)
                norm(f"{name}.downsample.1", 4 * width)
            inputs = 4 * width
    tensors["fc.weight"] = generator.standard_normal((classes, inputs)) / np.sqrt(inputs)
    tensors["fc.bias"] = generator.standard_normal(classes) * 0.1
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def save_file(tensors, path):
    """Writes a safetensors file: the length of its header, the header in JSON, the numbers."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype.name], "shape": tensor.shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    numbers = b"".join(tensor.tobytes() for tensor in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + numbers)


def write_weights(folder, tensors, labels=None, preprocess=PREPROCESS):
    """Writes a weight folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "weights.safetensors")
    labels = labels or [f"label {i}" for i in range(len(tensors["fc.bias"]))]
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    (folder / "preprocess.json").write_text(json.dumps(preprocess))
    return folder


@pytest.fixture(scope="session")
def tensors():
    return narrow_tensors()


@pytest.fixture(scope="session")
def weights_dir(tmp_path_factory, tensors):
    return write_weights(tmp_path_factory.mktemp("weights"), tensors)


@pytest.fixture(scope="session")
def net(weights_dir):
    return ResNet50(weights_dir)


@pytest.fixture
def interruptible():
    """Ctrl-C is a KeyboardInterrupt, also in what a shell runs in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
