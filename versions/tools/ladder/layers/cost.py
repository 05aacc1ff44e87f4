"""A layer's least cost: its arithmetic, the bytes that it must move, and the time that both need.

The model is the roofline of Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for
multicore architectures" (2009).
"""

from math import prod

from shared_weights.architecture import Layer

SHORT = {"max pooling": "max pool", "average pooling": "avg pool", "residual sum": "add"}


def kind(layer: Layer) -> str:
    """The layer's kind in a word or two, convolutions by the size of their kernel: `conv 3x3`."""
    if layer.kind == "convolution":
        return f"conv {layer.kernel}x{layer.kernel}"
    return SHORT.get(layer.kind, layer.kind)


def operations(layer: Layer) -> int:
    """Floating-point operations: two per multiply-add.

    Batch norm takes one multiply-add per value, ReLU one comparison, a residual sum one addition; max pooling takes one
    comparison for each value of its window, average pooling one addition.
    """
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


def moved_bytes(layer: Layer) -> int:
    """The bytes of input, output and weights in float32, each counted once.

    A residual sum has two inputs. A 1x1 convolution of stride 2 reads only every second pixel of every second row.
    """
    inputs = prod(layer.input)
    if layer.kind == "residual sum":
        inputs *= 2
    if layer.kernel == 1:
        inputs = prod(layer.output[:2]) * layer.input[2]
    return 4 * inputs + layer.output_bytes + layer.weight_bytes


def limit(layer: Layer, peak: float | None, bandwidth: float) -> float:
    """The fewest seconds that the layer can take if every byte comes from or goes to memory.

    `peak`: operations per second, None if unknown; `bandwidth`: bytes per second.
    """
    return max(moved_bytes(layer) / bandwidth, operations(layer) / peak if peak else 0.0)
