"""The quantised network as an ONNX file, in either of two forms. Needs the onnx package.

`qlinear` has an operator on bytes for each step: QLinearConv and others, some of them ONNX Runtime's own
(com.microsoft). `qdq` has the float32 network with QuantizeLinear and DequantizeLinear around each operator, which
other programs can read as well; each finds the steps on bytes in it by itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from . import scales, sets
from .onnx_file import save
from .quantised import Weights, blocks, quantised_weights
from .scales import Scale, is_signed

FORMS = ("qlinear", "qdq")
MICROSOFT = "com.microsoft"
POOLING = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
SCALED_LIKE = {"image.bytes": "image", "relu": "maxpool", "flatten": "avgpool"}  # these have another value's scale


def write(path: Path, folder: Path, size: tuple[int, int] = (224, 224), form: str = "qlinear") -> None:
    """Write the quantised ResNet-50 of the set in `folder` for one picture of `size` (height, width) to `path`.

    The uint8 tensor of a value has its name in quantisation.json, the image's is `image.bytes`. The input is `image`,
    float32 (1, 3, height, width), normalised, the output `fc`. Raises `WeightSetError`, `OSError`.
    """
    state, labels = sets.load(folder)
    known = scales.read(folder)
    graph = (_QLinear if form == "qlinear" else _QDQ)(known, quantised_weights(state, known))
    _network(graph)
    save(path, graph.nodes, graph.tensors, size, len(labels))


def _network(graph: "_QLinear | _QDQ") -> None:
    """The steps of the network in order, in the graph's own operators."""
    graph.quantise("image.bytes", "image")
    graph.convolution("relu", "image.bytes", "conv1", stride=2)
    graph.max_pool("maxpool", "relu")
    given = "maxpool"
    for name, has_downsample in blocks():
        stride = 2 if has_downsample and name != "layer1.0" else 1
        graph.convolution(f"{name}.relu1", given, f"{name}.conv1")
        graph.convolution(f"{name}.relu2", f"{name}.relu1", f"{name}.conv2", stride)
        graph.convolution(f"{name}.bn3", f"{name}.relu2", f"{name}.conv3")
        if has_downsample:
            graph.convolution(f"{name}.downsample.1", given, f"{name}.downsample.0", stride)
            given = f"{name}.downsample.1"
        graph.add(f"{name}.relu3", f"{name}.bn3", given)
        given = f"{name}.relu3"
    graph.average_pool("avgpool", given)
    graph.linear("fc", "avgpool")


class _Graph:
    """Nodes and constants, the scales of all values among them. The methods for an operator take its output first."""

    def __init__(self, known: Mapping[str, Scale], weights: Mapping[str, Weights]) -> None:
        self.known, self.weights = known, weights
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        for name, value in known.items():
            self.constant(f"{name}.scale", np.array(value.scale))
            self.constant(f"{name}.zero_point", np.array(value.zero_point, np.uint8))

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Add a node that has the name of its one output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant; returns its name."""
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def scale(self, name: str) -> list[str]:
        """The names of a value's scale and zero point."""
        name = SCALED_LIKE.get(name, name)
        return [f"{name}.scale", f"{name}.zero_point"]

    def kernel(self, layer: str) -> list[str]:
        """The names of a layer's weights, their scales and their zero points."""
        weights = self.weights[layer]
        return [
            self.constant(f"{layer}.weight", weights.values),
            self.constant(f"{layer}.weight.scale", weights.scales),
            self.constant(f"{layer}.weight.zero_point", np.zeros(len(weights.scales), np.int8)),
        ]

    def bias(self, layer: str) -> str:
        """The name of a layer's bias."""
        return self.constant(f"{layer}.bias", self.weights[layer].bias)

    def window(self, layer: str, stride: int) -> dict[str, Any]:
        """The attributes of a convolution."""
        side = self.weights[layer].values.shape[2]
        return {"kernel_shape": [side] * 2, "strides": [stride] * 2, "pads": [side // 2] * 4}


class _QLinear(_Graph):
    """Operators on bytes."""

    def quantise(self, name: str, given: str) -> None:
        self.node("QuantizeLinear", [given, *self.scale(name)], name)

    def convolution(self, name: str, given: str, layer: str, stride: int = 1) -> None:
        inputs = [given, *self.scale(given), *self.kernel(layer), *self.scale(name), self.bias(layer)]
        self.node("QLinearConv", inputs, name, **self.window(layer, stride))

    def max_pool(self, name: str, given: str) -> None:
        self.node("MaxPool", [given], name, **POOLING)

    def add(self, name: str, a: str, b: str) -> None:
        inputs = [a, *self.scale(a), b, *self.scale(b), *self.scale(name)]
        self.node("QLinearAdd", inputs, name, domain=MICROSOFT)

    def average_pool(self, name: str, given: str) -> None:
        inputs = [given, *self.scale(given), *self.scale(name)]
        self.node("QLinearGlobalAveragePool", inputs, name, domain=MICROSOFT)

    def linear(self, name: str, given: str) -> None:
        self.node("Flatten", [given], "flatten")
        inputs = ["flatten", *self.scale(given), *self.kernel(name), self.bias(name)]
        self.node("QGemm", inputs, name, domain=MICROSOFT, transB=1)


class _QDQ(_Graph):
    """float32 operators; what NAME.exact holds is quantised as NAME and dequantised as NAME.float."""

    def quantise(self, name: str, given: str) -> None:
        self.node("QuantizeLinear", [given, *self.scale(name)], name)
        self.node("DequantizeLinear", [name, *self.scale(name)], f"{name}.float")

    def convolution(self, name: str, given: str, layer: str, stride: int = 1) -> None:
        self.node("Conv", self.operands(given, layer), f"{name}.exact", **self.window(layer, stride))
        self.rectified(name)

    def max_pool(self, name: str, given: str) -> None:
        self.node("MaxPool", [f"{given}.float"], f"{name}.exact", **POOLING)
        self.quantise(name, f"{name}.exact")

    def add(self, name: str, a: str, b: str) -> None:
        self.node("Add", [f"{a}.float", f"{b}.float"], f"{name}.exact")
        self.rectified(name)

    def average_pool(self, name: str, given: str) -> None:
        self.node("GlobalAveragePool", [f"{given}.float"], f"{name}.exact")
        self.quantise(name, f"{name}.exact")

    def linear(self, name: str, given: str) -> None:
        self.node("Flatten", [f"{given}.float"], "flatten.exact")
        self.quantise("flatten", "flatten.exact")
        self.node("Gemm", self.operands("flatten", name), name, transB=1)

    def rectified(self, name: str) -> None:
        """A ReLU, except where the value may be negative, and the value in 8 bits."""
        if not is_signed(name):
            self.node("Relu", [f"{name}.exact"], f"{name}.positive")
        self.quantise(name, f"{name}.exact" if is_signed(name) else f"{name}.positive")

    def operands(self, given: str, layer: str) -> list[str]:
        """The value, and the layer's weights and bias, dequantised."""
        steps = self.known[SCALED_LIKE.get(given, given)].scale * self.weights[layer].scales
        zeros = self.constant(f"{layer}.bias.zero_point", np.zeros(len(steps), np.int32))
        bias = [self.bias(layer), self.constant(f"{layer}.bias.scale", steps), zeros]
        self.node("DequantizeLinear", self.kernel(layer), f"{layer}.kernel", axis=0)
        self.node("DequantizeLinear", bias, f"{layer}.summand", axis=0)
        return [f"{given}.float", f"{layer}.kernel", f"{layer}.summand"]
