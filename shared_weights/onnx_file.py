"""The network as an ONNX file, for Netron (https://netron.app) and other programs. Needs the onnx package."""

from pathlib import Path
from typing import Any

import onnx
from onnx import helper, numpy_helper
from onnx.shape_inference import infer_shapes

from . import sets
from .architecture import Layer, layers
from .tensor_file import appearing_whole

OPERATORS = {
    "convolution": "Conv",
    "batch norm": "BatchNormalization",
    "ReLU": "Relu",
    "max pooling": "MaxPool",
    "average pooling": "GlobalAveragePool",
    "residual sum": "Add",
    "linear": "Gemm",
}
OPSET, IR_VERSION = 17, 8  # from 2022: old enough for every program in use


def write(path: Path, folder: Path, size: int = 224) -> None:
    """Write the ResNet-50 of the weight set in `folder` for one picture of `size` x `size` pixels to `path`.

    The node of a layer and its output have the layer's name, the tensors torchvision's names; the input is
    `image`, float32 (1, 3, size, size), normalised. Raises `WeightSetError`, `OSError`.
    """
    state, labels = sets.load(folder)
    classes = len(labels)
    tensors = [numpy_helper.from_array(tensor.astype("float32"), name) for name, tensor in state.items()]
    save(path, _nodes(layers(size, size, classes=classes)), tensors, (size, size), classes)


def save(
    path: Path, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], size: tuple[int, int], classes: int
) -> None:
    """Write a graph from `image`, float32 (1, 3, height, width), to `fc`, float32 (1, classes).

    Shapes are inferred as far as they go: ONNX does not know the operators of other domains.
    """
    graph = helper.make_graph(
        nodes,
        "ResNet-50",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 3, *size))],
        [helper.make_tensor_value_info("fc", onnx.TensorProto.FLOAT, (1, classes))],
        tensors,
    )
    others = sorted({node.domain for node in nodes if node.domain})
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), *(helper.make_opsetid(domain, 1) for domain in others)],
        ir_version=IR_VERSION,
        producer_name="shared_weights",
    )
    with appearing_whole(path) as partial:
        onnx.save(infer_shapes(model, check_type=True, strict_mode=True), partial)


def _nodes(network: list[Layer]) -> list[onnx.NodeProto]:
    """One node per layer, in order, and the flattening that Gemm needs before it."""
    nodes, last, block_input, shortcut = [], "image", "", ""
    for layer in network:
        if layer.name.endswith(".conv1"):
            block_input = shortcut = last
        if ".downsample." in layer.name:
            source = block_input if layer.name.endswith(".0") else shortcut
            shortcut = layer.name
        else:
            source, last = last, layer.name
        inputs = [source, *(f"{layer.name}.{tensor}" for tensor, _ in layer.tensors)]
        if layer.kind == "residual sum":
            inputs.append(shortcut)
        if layer.kind == "linear":
            nodes.append(helper.make_node("Flatten", [source], ["flatten"], "flatten"))
            inputs[0] = "flatten"
        nodes.append(helper.make_node(OPERATORS[layer.kind], inputs, [layer.name], layer.name, **_attributes(layer)))
    return nodes


def _attributes(layer: Layer) -> dict[str, Any]:
    if layer.kernel:
        return {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": [layer.padding] * 4}
    return {"transB": 1} if layer.kind == "linear" else {}
