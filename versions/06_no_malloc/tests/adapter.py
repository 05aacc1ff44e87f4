"""This version as the tests see it: how its operators are called, and how accurate it is."""

from resnet50.plan import Plan, Planner, Value
from resnet50.weights import arrange

FUSED = False  # `on_layer` is told of every layer, not only of the last of each step
TOLERANCE = 2e-5  # promised for every layer of a network: error / largest value of the layer
EVERY_WIDTH = True  # the tests try each kernel, stride and padding of a convolution with every number of channels

PARTS = ("op.weight", "op.bias", "op.running_mean", "op.running_var")


def prepare():
    """Does once what a test must do before it loads a network: nothing."""


class Given:
    """The weights of a network of one layer, given as arrays in the weight file's layout."""

    def __init__(self, tensors):
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        self.arranged = {name: arrange(tensor) for name, tensor in tensors.items() if tensor.ndim != 3}

    def __getitem__(self, name):
        return self.arranged[name]


def run_op(name, *tensors, **settings):
    """Runs a plan of one step, the operator `name`, on arrays in the weight file's layout; returns an array."""
    x, *others = tensors
    planner = Planner(Given(dict(zip(PARTS, others, strict=False))), 1, 1)
    planner.input.shape = x.shape
    inputs = {planner.input: x}
    if name == "add":
        inputs[Value(others[0].shape, made=-1, read=-1)] = others[0]
    elif name == "conv2d":
        settings["kernel"] = None  # given by the weight's shape
    planner.values = list(inputs)
    plan = Plan(planner, getattr(planner, name)(*inputs, name="op", **settings))
    arena = plan.idle[0]
    for value, array in inputs.items():
        plan.look(arena, value)[:] = array
    plan.program.run_step(arena, 0)
    return plan.look(arena, plan.output).copy()
