"""ResNet-50 as data: every layer's shape, and the tensors of a weight file.

The network is that of He et al., "Deep residual learning for image recognition" (2015), table 1, in the
form called v1.5, as in torchvision: the stride of a stage's first block is in its 3x3 convolution.
"""

from dataclasses import dataclass
from math import prod

BLOCKS = (3, 4, 6, 3)
EXPANSION = 4  # a bottleneck block's output has four times the channels of its 3x3 convolution

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One step of the network: what goes in, what comes out, what it costs.

    `input` and `output` are (H, W, C), or (C,) after the average pooling. `tensors` are the names, without the
    layer's own, and the shapes of its tensors in the weight file: ("weight", (64, 3, 7, 7)).
    """

    name: str
    kind: str
    input: Shape
    output: Shape
    kernel: int | None = None
    stride: int | None = None
    padding: int | None = None
    tensors: tuple[tuple[str, Shape], ...] = ()

    @property
    def stage(self) -> str:
        """`stem`, `layer1` to `layer4`, or `head`."""
        if self.name in ("avgpool", "fc"):
            return "head"
        return self.name.split(".")[0] if "." in self.name else "stem"

    @property
    def parameters(self) -> int:
        """Number of trained values; batch norm's running statistics are measured, not trained."""
        return sum(prod(shape) for name, shape in self.tensors if not name.startswith("running_"))

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of a convolution or of the linear layer; the other layers count as 0."""
        if self.kind not in ("convolution", "linear"):
            return 0
        return prod(dict(self.tensors)["weight"]) * prod(self.output[:-1])

    @property
    def weight_bytes(self) -> int:
        """Bytes of all the layer's tensors in float32, running statistics included."""
        return 4 * sum(prod(shape) for _, shape in self.tensors)

    @property
    def output_bytes(self) -> int:
        """Bytes of the layer's output in float32."""
        return 4 * prod(self.output)


def layers(height: int = 224, width: int = 224, base_width: int = 64, classes: int = 1000) -> list[Layer]:
    """Every layer in the order in which it runs, for a picture of `height` x `width` pixels.

    `base_width` is the number of channels after the first convolution: 64 in ResNet-50. The names are
    those that `ResNet50.run` passes to `on_layer`, in the same order.
    """
    stem = _Chain((height, width, 3))
    stem.convolution("conv1", base_width, kernel=7, stride=2)
    stem.batch_norm("bn1")
    stem.same_shape("relu", "ReLU")
    stem.pooled("maxpool", "max pooling", kernel=3, stride=2, padding=1)
    result, shape = stem.layers, stem.shape
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            chain = _bottleneck(f"layer{stage + 1}.{block}", shape, base_width << stage, stride)
            result += chain.layers
            shape = chain.shape
    channels = shape[-1]
    result.append(Layer("avgpool", "average pooling", shape, (channels,)))
    tensors = (("weight", (classes, channels)), ("bias", (classes,)))
    result.append(Layer("fc", "linear", (channels,), (classes,), tensors=tensors))
    return result


def tensors(base_width: int = 64, classes: int = 1000) -> dict[str, Shape]:
    """Name -> shape of every tensor in a weight file, in the order of torchvision's state dict.

    Convolutions are (output channels, input channels, kernel height, kernel width). torchvision's
    `num_batches_tracked` counters are left out: inference does not use them.
    """
    return {
        f"{layer.name}.{name}": shape
        for layer in layers(base_width=base_width, classes=classes)
        for name, shape in layer.tensors
    }


class _Chain:
    """Layers in sequence, each with the output shape of the one before as its input."""

    def __init__(self, shape: Shape) -> None:
        self.layers: list[Layer] = []
        self.shape = shape

    def convolution(self, name: str, channels: int, kernel: int, stride: int = 1) -> None:
        weight = ("weight", (channels, self.shape[2], kernel, kernel))
        self._windowed(name, "convolution", channels, kernel, stride, kernel // 2, (weight,))

    def pooled(self, name: str, kind: str, kernel: int, stride: int, padding: int) -> None:
        self._windowed(name, kind, self.shape[2], kernel, stride, padding, ())

    def batch_norm(self, name: str) -> None:
        vectors = ("weight", "bias", "running_mean", "running_var")
        self.same_shape(name, "batch norm", tuple((vector, self.shape[2:]) for vector in vectors))

    def same_shape(self, name: str, kind: str, tensors: tuple[tuple[str, Shape], ...] = ()) -> None:
        self.layers.append(Layer(name, kind, self.shape, self.shape, tensors=tensors))

    def _windowed(
        self,
        name: str,
        kind: str,
        channels: int,
        kernel: int,
        stride: int,
        padding: int,
        tensors: tuple[tuple[str, Shape], ...],
    ) -> None:
        rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in self.shape[:2])
        output = (rows, columns, channels)
        self.layers.append(Layer(name, kind, self.shape, output, kernel, stride, padding, tensors))
        self.shape = output


def _bottleneck(name: str, shape: Shape, channels: int, stride: int) -> _Chain:
    """1x1 to fewer channels, 3x3, 1x1 to four times as many, plus the input (or its projection)."""
    chain = _Chain(shape)
    widths = (channels, channels, channels * EXPANSION)
    for index, (width, kernel) in enumerate(zip(widths, (1, 3, 1), strict=True), start=1):
        chain.convolution(f"{name}.conv{index}", width, kernel, stride if kernel == 3 else 1)
        chain.batch_norm(f"{name}.bn{index}")
        if index < 3:
            chain.same_shape(f"{name}.relu{index}", "ReLU")
    if shape != chain.shape:
        shortcut = _Chain(shape)
        shortcut.convolution(f"{name}.downsample.0", widths[2], kernel=1, stride=stride)
        shortcut.batch_norm(f"{name}.downsample.1")
        chain.layers += shortcut.layers
    chain.same_shape(f"{name}.add", "residual sum")
    chain.same_shape(f"{name}.relu3", "ReLU")
    return chain
