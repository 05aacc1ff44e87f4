"""The network for one input size as a flat list of steps, and the place of each step's output in one arena."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from . import compiler, ops
from .memory import LINE, aligned
from .rounding import round_up
from .sources import Generated
from .tiles import Convolution, Pool, ring_size
from .weights import Weights
from .winograd import Products, Transform, choose, in_registers, scratch_size

OnLayer = Callable[[str, object, float], object]


@dataclass(eq=False)
class Value:
    """A tensor that flows between steps. It lives from the step that makes it to the last step that reads it.

    A residual sum is made in place: it is the value of what it was added to. `place`: its offset in the arena, in
    float32 numbers. The network's input is made by step -1.
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
    """Some layers in one: the last one's name, the operator, the value it reads and the one it makes or adds to.

    `sizes`: pixels and channels of the average pooling, or the convolution that C is generated for. `scratch`: memory
    for each worker.
    """

    name: str
    operator: str
    input: Value
    output: Value
    sizes: tuple[int, int] | Generated
    weights: tuple[np.ndarray, ...] = ()
    scratch: Value | None = None

    @property
    def generated(self) -> Generated | None:
        """What C is generated for, or None if the operator is in C already."""
        return None if isinstance(self.sizes, tuple) else self.sizes

    def placed(self, kernels: dict[Generated, "ops.Kernel"]) -> tuple:
        """The step as ops.Program takes it, once its values have their places."""
        operator = "conv2d" if self.generated else self.operator
        sizes = kernels[self.generated] if self.generated else self.sizes
        scratch = self.scratch.place if self.scratch else 0
        return operator, self.output.place, self.input.place, scratch, sizes, self.weights


class Planner:
    """Walks the network in place of its layers, and records what they would do; `workers`: how many may share it."""

    def __init__(self, weights: Weights, height: int, width: int, workers: int = 1) -> None:
        self.weights = weights
        self.workers = workers
        self.input = Value((height, width, 3), made=-1, read=-1)
        self.values = [self.input]
        self.steps: list[Step] = []

    def stem(self, x, conv, norm, relu, name, kernel, stride, padding, pool):
        return self.convolution(name, "stem", x, conv, norm, stride, padding, relu=bool(relu), pool=Pool(*pool))

    def conv2d(self, x, conv, norm, relu, kernel, stride=1, padding=0, add=None):
        return self.convolution(relu or norm, "conv2d", x, conv, norm, stride, padding, add, relu=bool(relu))

    def average_pool(self, x, name):
        return self.step(Step(name, "average_pool", x, self.new(x.shape[2:]), (prod(x.shape[:2]), x.shape[2])))

    def linear(self, x, name):
        return self.convolution(name, "linear", x, name, name)

    def convolution(self, name, operator, x, layer, norm, stride=1, padding=0, add=None, relu=False, pool=None):
        """Records a convolution of the weight of `layer` and the bias of `norm`; a linear layer is that of a pixel."""
        outputs, _, *kernel = (*self.weights.shapes[f"{layer}.weight"], 1, 1)[:4]
        height, width, channels = (1, 1, *x.shape)[-3:]
        rows, columns = slide((height, width), *kernel, stride, padding)
        if pool:
            rows, columns = slide((rows, columns), pool.kernel, pool.kernel, pool.stride, pool.padding)
        shape = (rows, columns, outputs) if len(x.shape) == 3 else (outputs,)
        if add and add.shape != shape:
            raise ValueError(f"cannot add {shape} and {add.shape}")
        sizes = Convolution(height, width, channels, outputs, *kernel, stride, padding, add is not None, relu, pool)
        kernels, bias = f"{layer}.weight", self.weights[f"{norm}.bias"]
        if form := choose(sizes, self.weights.isa):
            return self.winograd(name, x, sizes, form, kernels, bias)
        size = ring_size(sizes, self.weights.isa)
        scratch = self.new((self.workers, size)) if size else None
        return self.step(Step(name, operator, x, add or self.new(shape), sizes, (self.weights[kernels], bias), scratch))

    def winograd(self, name, x, conv, form, kernels, bias):
        """Records the two steps of a convolution in one of Winograd's forms."""
        step = conv, form, in_registers(conv, form, self.weights.isa)
        first, second = Transform(*step), Products(*step)
        weights = (self.weights.transformed(kernels, second), bias)
        values = self.step(Step(name, "transform", x, self.new(first.shape), first))
        scratch = self.new((self.workers, scratch_size(second, self.weights.isa)))
        output = self.new((conv.rows, conv.columns, conv.outputs))
        return self.step(Step(name, "conv2d", values, output, second, weights, scratch))

    def new(self, shape: tuple[int, ...]) -> Value:
        """A new value, which the next step makes."""
        here = len(self.steps)
        self.values.append(Value(shape, made=here, read=here))
        return self.values[-1]

    def step(self, step: Step) -> Value:
        """Records a step and returns its output."""
        step.input.read = step.output.read = len(self.steps)
        self.steps.append(step)
        return step.output


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
        kernels = compiler.load(filter(None, (step.generated for step in planner.steps)), planner.weights.isa)
        steps = tuple(step.placed(kernels) for step in planner.steps)
        self.program = ops.Program(self.floats, source, target, steps, planner.workers)
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
        before = 0.0
        for index, step in enumerate(self.steps):
            self.program.run_step(self.crew, arena, index)
            before += float(seconds[index])
            if step.operator != "transform":  # the first half of a layer
                on_layer(step.name, self.look(arena, step.output).copy(), before)
                before = 0.0

    @staticmethod
    def look(arena: np.ndarray, value: Value) -> np.ndarray:
        """The part of the arena that holds `value`."""
        return arena[value.place : value.place + prod(value.shape)].reshape(value.shape)
