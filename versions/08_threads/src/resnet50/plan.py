"""The network for one input size as a flat list of steps, and the place of each step's output in one arena."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from . import compiler, ops
from .memory import LINE, aligned
from .rounding import round_up
from .tiles import Convolution
from .weights import Weights, batch_norm_tensors

OnLayer = Callable[[str, object, float], object]
GENERATED = ("conv2d", "linear")  # a linear layer is a 1x1 convolution of a single pixel


@dataclass(eq=False)
class Value:
    """A tensor that flows between steps. It lives from the step that makes it to the last step that reads it.

    `place`: its offset in the arena, in float32 numbers. The network's input is made by step -1.
    """

    shape: tuple[int, ...]
    made: int
    read: int
    place: int = 0

    @property
    def floats(self) -> int:
        """Its size in the arena, in float32 numbers: whole cache lines."""
        return round_up(prod(self.shape), LINE)


@dataclass
class Step:
    """One layer: name, operator, the values it reads and makes, sizes and weights as ops.Program takes them."""

    name: str
    operator: str
    inputs: tuple[Value, ...]
    output: Value
    sizes: tuple[int, ...]
    weights: tuple[np.ndarray, ...]

    @property
    def convolution(self) -> Convolution | None:
        """The sizes that C is generated for, or None if the operator is in C already."""
        return Convolution(*self.sizes) if self.operator in GENERATED else None

    def placed(self, kernels: dict[Convolution, "ops.Kernel"]) -> tuple:
        """The step as ops.Program takes it, once its values have their places."""
        x, y = self.inputs[0], self.inputs[-1]
        sizes = kernels[self.convolution] if self.convolution else self.sizes
        return self.operator, self.output.place, x.place, y.place, sizes, self.weights


class Planner:
    """Walks the network in place of its layers, and records what they would do."""

    def __init__(self, weights: Weights, height: int, width: int) -> None:
        self.weights = weights
        self.input = Value((height, width, 3), made=-1, read=-1)
        self.values = [self.input]
        self.steps: list[Step] = []

    def conv2d(self, x, name, kernel, stride=1, padding=0):
        outputs, _, kernel_height, kernel_width = self.weights.shapes[f"{name}.weight"]
        window = (kernel_height, kernel_width, stride, padding)
        shape = (*slide(x.shape, *window), outputs)
        return self.step(name, "conv2d", (x,), shape, window, [self.weights[f"{name}.weight"]])

    def batch_norm(self, x, name):
        return self.step(name, "batch_norm", (x,), x.shape, weights=[self.weights[t] for t in batch_norm_tensors(name)])

    def relu(self, x, name):
        return self.step(name, "relu", (x,), x.shape)

    def max_pool(self, x, name, kernel, stride, padding):
        window = (kernel, kernel, stride, padding)
        return self.step(name, "max_pool", (x,), (*slide(x.shape, *window), x.shape[2]), window)

    def average_pool(self, x, name):
        return self.step(name, "average_pool", (x,), x.shape[2:])

    def add(self, x, y, name):
        if x.shape != y.shape:
            raise ValueError(f"cannot add {x.shape} and {y.shape}")
        return self.step(name, "add", (x, y), x.shape)

    def linear(self, x, name):
        outputs = self.weights.shapes[f"{name}.weight"][:1]
        weights = [self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]]
        return self.step(name, "linear", (x,), outputs, weights=weights)

    def step(self, name, operator, inputs, shape, window=(1, 1, 1, 0), weights=()):
        """Records a step and returns its output, a new value; `window`: kernel height, width, stride, padding."""
        here = len(self.steps)
        output = Value(shape, made=here, read=here)
        for value in inputs:
            value.read = here
        height, width, channels = (1, 1, *inputs[0].shape)[-3:]
        sizes = (height, width, channels, shape[-1], *window)
        self.values.append(output)
        self.steps.append(Step(name, operator, inputs, output, sizes, tuple(weights)))
        return output


def slide(shape: tuple[int, ...], kernel_height: int, kernel_width: int, stride: int, padding: int) -> tuple[int, int]:
    """How many windows fit along each side of a padded (height, width, ...); raises `ValueError` if none does."""
    if stride < 1 or padding < 0:
        raise ValueError(f"stride {stride} or padding {padding} is too small")
    rows = (shape[0] + 2 * padding - kernel_height) // stride + 1
    columns = (shape[1] + 2 * padding - kernel_width) // stride + 1
    if rows < 1 or columns < 1:
        raise ValueError(f"no window of {kernel_height} x {kernel_width} fits {shape} padded by {padding}")
    return rows, columns


def place(values: list[Value]) -> int:
    """Gives every value a place, so that values that live at the same time do not overlap; returns the arena's size.

    The largest value comes first; each gets the lowest place that is free for its whole life (Pisarchyk and Lee,
    "Efficient memory management for deep neural net inference", 2020: greedy by size).
    """
    placed: list[Value] = []
    for value in sorted(values, key=lambda value: -value.floats):
        neighbours = [other for other in placed if other.made <= value.read and value.made <= other.read]
        for other in sorted(neighbours, key=lambda other: other.place):
            if value.place + value.floats <= other.place:
                break
            value.place = max(value.place, other.place + other.floats)
        placed.append(value)
    return max(value.place + value.floats for value in values)


def largest_live_set(values: list[Value], steps: int) -> int:
    """The most numbers that are alive at one time, in whole cache lines: no arena can be smaller."""
    return max(sum(value.floats for value in values if value.made <= step <= value.read) for step in range(steps))


class Plan:
    """A planned network: `run` it on images of its size, from any number of threads.

    The crew's threads share the work of a run; while they are at one, others are done by their callers alone.
    Each run has an arena to itself: an idle one, or a new one if all are in use. So threads never wait for one another,
    and a plan never has more arenas than it had runs at one time.
    """

    def __init__(self, planner: Planner, output: Value, crew: "ops.Crew") -> None:
        self.crew = crew
        output.read = len(planner.steps)  # the caller reads it after the last step
        self.steps = planner.steps
        self.input, self.output, self.values = planner.input, output, planner.values
        self.floats = place(planner.values)
        source, target = ((value.place, prod(value.shape)) for value in (self.input, output))
        kernels = compiler.load(filter(None, (step.convolution for step in planner.steps)), planner.weights.isa)
        self.program = ops.Program(self.floats, source, target, tuple(step.placed(kernels) for step in planner.steps))
        self.idle = [aligned(self.floats)]

    def run(self, image: np.ndarray, on_layer: OnLayer | None = None) -> np.ndarray:
        """The network's output for `image`, float32 of the planned size, contiguous."""
        try:
            arena = self.idle.pop()
        except IndexError:
            arena = aligned(self.floats)
        try:
            logits = np.empty(self.output.shape, np.float32)
            if on_layer is None:
                self.program.run(self.crew, arena, image, logits)
            else:
                self.tell(arena, image, on_layer)
                logits[:] = self.look(arena, self.output)
            return logits
        finally:
            self.idle.append(arena)

    def tell(self, arena: np.ndarray, image: np.ndarray, on_layer: OnLayer) -> None:
        """Calls `on_layer` for each step, with a copy of its output.

        The network runs twice: as a whole, for the times, and step by step, as later outputs overwrite earlier ones.
        """
        seconds = np.empty(len(self.steps), np.float32)
        self.program.run(self.crew, arena, image, np.empty(self.output.shape, np.float32), seconds)
        self.look(arena, self.input)[:] = image
        for index, step in enumerate(self.steps):
            self.program.run_step(self.crew, arena, index)
            on_layer(step.name, self.look(arena, step.output).copy(), float(seconds[index]))

    @staticmethod
    def look(arena: np.ndarray, value: Value) -> np.ndarray:
        """The part of the arena that holds `value`."""
        return arena[value.place : value.place + prod(value.shape)].reshape(value.shape)
