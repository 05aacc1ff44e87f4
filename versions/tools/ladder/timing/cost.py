"""The least cost of a layer, or of several in one step: the arithmetic, the bytes to move, and the time for both.

The model is the roofline of Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for
multicore architectures" (2009).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

from shared_weights.architecture import Layer

SHORT = {"max pooling": "max pool", "average pooling": "avg pool", "residual sum": "add"}


@dataclass(frozen=True)
class Work:
    """What a version really does for a convolution that it computes in another way than defined, such as Winograd's.

    `operations`: in place of two per multiply-add; `bytes`: what its steps move.
    """

    operations: int
    bytes: int


def steps(network: Sequence[Layer], told: Collection[str], fuses: bool) -> dict[str, list[Layer]]:
    """The layers of each step of a version that has told of these, under the name that it is told of by."""
    return fused(network, set(told)) if fuses else {layer.name: [layer] for layer in network}


def fused(network: Sequence[Layer], told: set[str]) -> dict[str, list[Layer]]:
    """The layers of each step of a version that fuses layers, under the name of the last, which is the one it tells of.

    A layer that is not told of belongs to the next one that is; but the layers of `downsample`, which come between a
    block's last batch norm and its residual sum, are beside the others.
    """
    steps: dict[str, list[Layer]] = {}
    unfinished: dict[bool, list[Layer]] = {False: [], True: []}
    for layer in network:
        beside = ".downsample." in layer.name
        unfinished[beside].append(layer)
        if layer.name in told:
            steps[layer.name], unfinished[beside] = unfinished[beside], []
    return steps


def kind(step: Sequence[Layer]) -> str:
    """The kind of a step's first layer in a word or two, convolutions by the size of their kernel: `conv 3x3`."""
    layer = step[0]
    if layer.kind == "convolution":
        return f"conv {layer.kernel}x{layer.kernel}"
    return SHORT.get(layer.kind, layer.kind)


def operations(step: Sequence[Layer]) -> int:
    """Floating-point operations: two per multiply-add.

    Batch norm takes one multiply-add per value, ReLU one comparison, a residual sum one addition; max pooling takes one
    comparison for each value of its window, average pooling one addition. Batch norm in one step with a convolution
    takes none: its factor is in the weights, and its summand is where the sum begins.
    """
    return sum(layer_operations(layer) for layer in step if len(step) == 1 or layer.kind != "batch norm")


def done(step: Sequence[Layer], work: Work | None) -> int:
    """The operations that a version really does; `work`: for its convolution, None if that is computed as defined."""
    if work is None:
        return operations(step)
    return operations(step) - 2 * sum(layer.multiply_adds for layer in step) + work.operations


def layer_operations(layer: Layer) -> int:
    """Those of a layer that is a step of its own."""
    match layer.kind:
        case "convolution" | "linear":
            return 2 * layer.multiply_adds
        case "batch norm":
            return 2 * prod(layer.output)
        case "max pooling":
            return prod(layer.output) * (layer.kernel or 1) ** 2
        case "average pooling":
            return prod(layer.input)
        case _:
            return prod(layer.output)


def moved_bytes(step: Sequence[Layer]) -> int:
    """The bytes of input, output and weights in float32, each counted once.

    A residual sum has two inputs. A 1x1 convolution of stride 2 reads only every second pixel of every second row. What
    one layer hands to the next in the same step is not moved; of a batch norm that is in one with a convolution, a
    number for each channel is left, its bias.
    """
    first, last = step[0], step[-1]
    inputs = prod(first.input)
    if first.kernel == 1:
        inputs = prod(first.output[:2]) * first.input[2]
    for layer in step:
        if layer.kind == "residual sum":
            inputs += prod(layer.input)
    folded = [layer for layer in step if layer.kind == "batch norm" and len(step) > 1]
    weights = sum(layer.weight_bytes for layer in step if layer not in folded)
    return 4 * inputs + last.output_bytes + weights + sum(4 * layer.output[2] for layer in folded)


def limit(operations: int, moved: int, peak: float | None, bandwidth: float) -> float:
    """The fewest seconds that these operations and bytes can take if every byte comes from or goes to memory.

    `peak`: operations per second, None if unknown; `bandwidth`: bytes per second.
    """
    return max(moved / bandwidth, operations / peak if peak else 0.0)
