"""The network for one input size as a flat list of steps, and the place of each step's output in one arena."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from . import compiler, ops
from .memory import LINE, aligned
from .quantisation import Scale, pool_factor
from .rounding import ceil_div, round_up
from .tiles import QUAD, Convolution, Pool, ring_size
from .weights import Weights

OnLayer = Callable[[str, object, float], object]


@dataclass(eq=False)
class Value:
    """A tensor that flows between steps. It lives from the step that makes it to the last step that reads it.

    A residual sum is made in place: it is the value of what it was added to. `scale`: of its bytes; without, it is
    float32. `place`: its offset in the arena, in numbers of four bytes. The network's input is made by step -1.
    """

    shape: tuple[int, ...]
    made: int
    read: int
    scale: Scale | None = None
    place: int = 0

    @property
    def stored(self) -> tuple[int, ...]:
        """Its shape in numbers of four bytes: the channels of a pixel of bytes are filled up to whole quads."""
        return (*self.shape[:-1], ceil_div(self.shape[-1], QUAD)) if self.scale else self.shape

    @property
    def floats(self) -> int:
        """Its size in the arena, in numbers of four bytes: whole cache lines."""
        return round_up(prod(self.stored), LINE)


@dataclass
class Step:
    """Some layers in one: the last one's name, the operator, the value it reads and the one it makes or adds to.

    `sizes`: the convolution that C is generated for, or the numbers that the operator takes. `scale`: of the bytes that
    it makes. `scratch`: memory for each worker.
    """

    name: str
    operator: str
    input: Value
    output: Value
    sizes: tuple[int, ...] | Convolution
    weights: tuple[np.ndarray, ...]
    scale: Scale | None
    scratch: Value | None = None

    @property
    def convolution(self) -> Convolution | None:
        """The sizes that C is generated for, or None if the operator is in C already."""
        return self.sizes if isinstance(self.sizes, Convolution) else None

    def placed(self, kernels: dict[Convolution, "ops.Kernel"]) -> tuple:
        """The step as ops.Program takes it, once its values have their places."""
        operator = "conv2d" if self.convolution else self.operator
        sizes = kernels[self.convolution] if self.convolution else self.sizes
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
        """Around the picture the convolution's padding is written down: there zero is a byte that is not 0."""
        height, width, channels = x.shape
        scale = self.weights.scales["image"]
        given = np.array([scale.scale, scale.zero_point], np.float32)
        wide = self.new((height + 2 * padding, width + 2 * padding, channels), scale)
        x = self.step(Step("image", "quantise", x, wide, (height, width, padding), (given,), scale))
        return self.convolution(name, "stem", x, conv, norm, stride, relu=bool(relu), pool=Pool(*pool))

    def conv2d(self, x, conv, norm, relu, kernel, stride=1, padding=0, add=None):
        return self.convolution(relu or norm, "conv2d", x, conv, norm, stride, padding, add, relu=bool(relu))

    def average_pool(self, x, name):
        pixels, scale = prod(x.shape[:2]), self.weights.scales[name]
        factor = pool_factor(x.scale, scale, pixels)
        output = self.new(x.shape[2:], scale)
        return self.step(Step(name, "average_pool", x, output, (pixels, x.stored[2]), (factor,), scale))

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
        if padding and x.scale.zero_point:
            raise ValueError(f"outside of x is the byte 0, but its zero point is {x.scale.zero_point}")
        if add and add.shape != shape:
            raise ValueError(f"cannot add {shape} and {add.shape}")
        fused = (add is not None, relu, pool, operator == "linear")
        sizes = Convolution(height, width, channels, outputs, *kernel, stride, padding, *fused)
        size = ring_size(sizes, self.weights.isa)
        scratch = self.new((self.workers, size)) if size else None
        names = f"{layer}.weight", f"{norm}.bias"
        weights = tuple(self.weights[name].view(np.float32) for name in names)  # the type that ops.Program takes
        scale = None if sizes.logits else self.weights.scales[name]
        return self.step(Step(name, operator, x, add or self.new(shape, scale), sizes, weights, scale, scratch))

    def new(self, shape: tuple[int, ...], scale: Scale | None = None) -> Value:
        """A new value, which the next step makes."""
        here = len(self.steps)
        self.values.append(Value(shape, made=here, read=here, scale=scale))
        return self.values[-1]

    def step(self, step: Step) -> Value:
        """Records a step and returns its output."""
        step.input.read = step.output.read = len(self.steps)
        step.output.scale = step.scale
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
        source, target = ((value.place, prod(value.stored)) for value in (self.input, output))
        kernels = compiler.load(filter(None, (step.convolution for step in planner.steps)), planner.weights.isa)
        steps = tuple(step.placed(kernels) for step in planner.steps)
        self.program = ops.Program(self.floats, source, target, steps, planner.workers)
        self.idle = [aligned(self.floats)]

    def run(self, image: np.ndarray, on_layer: OnLayer | None = None) -> np.ndarray:
        """The network's output for `image`, float32 of the planned size, contiguous.

        It is NaN if the image is not finite: no byte could say so.
        """
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
            if not np.isfinite(image).all():
                logits[:] = np.nan
            return logits
        finally:
            self.idle.append(arena)

    def tell(self, arena: np.ndarray, image: np.ndarray, on_layer: OnLayer) -> None:
        """Calls `on_layer` for each step, with a copy of its output, float32: NaN if the image is not finite.

        The network runs twice: as a whole, for the times, and step by step, as later outputs overwrite earlier ones.
        """
        seconds = np.empty(len(self.steps), np.float32)
        self.program.run(self.crew, arena, image, np.empty(self.output.shape, np.float32), seconds)
        self.look(arena, self.input)[:] = image
        unknown = np.float32(0 if np.isfinite(image).all() else np.nan)
        before = 0.0
        for index, step in enumerate(self.steps):
            self.program.run_step(self.crew, arena, index)
            before += float(seconds[index])
            if step.operator != "quantise":  # no layer, but the beginning of the first one
                output = self.look(arena, step.output)
                on_layer(step.name, (step.scale.values(output) if step.scale else output) + unknown, before)
                before = 0.0

    @staticmethod
    def look(arena: np.ndarray, value: Value) -> np.ndarray:
        """The part of the arena that holds `value`: bytes, or float32 numbers."""
        part = arena[value.place : value.place + prod(value.stored)].reshape(value.stored)
        return part.view(np.uint8)[..., : value.shape[-1]] if value.scale else part
