"""What ONNX Runtime computes from an ONNX file: the reference for networks in 8-bit integers."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A session with ONNX Runtime's defaults, on the processor, for a file or its content."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns that it is not told which of the values are used
    content = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def logits(network: onnxruntime.InferenceSession, image: np.ndarray) -> np.ndarray:
    """The logits, float32 (classes,), of a prepared picture, float32 (H, W, 3)."""
    return network.run(["fc"], {"image": _batch(image)})[0][0]


def values(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    """The logits, `fc`, and every value that is kept in bytes: uint8 (H, W, channels), of one pixel (channels,)."""
    model = onnx.load(path)
    kept = [info for info in model.graph.value_info if info.type.tensor_type.elem_type == onnx.TensorProto.UINT8]
    known = {info.name for info in kept}
    others = [name for node in model.graph.node for name in node.output if node.op_type.startswith("QLinear")]
    del model.graph.output[1:]
    model.graph.output.extend(kept)
    for name in others:
        if name not in known:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    network = session(model.SerializeToString())
    found = network.run(None, {"image": _batch(image)})
    return {output.name: _as_we_do(value) for output, value in zip(network.get_outputs(), found, strict=True)}


def _batch(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) as (1, 3, H, W)."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))[None]


def _as_we_do(value: np.ndarray) -> np.ndarray:
    """(1, channels, H, W) as (H, W, channels); of one pixel, or of (1, channels), as (channels,)."""
    return value.reshape(-1) if value.size == value.shape[1] else value[0].transpose(1, 2, 0)
