"""The same network in another library, in its own process: one line in, one inference, one line of JSON out.

It is run by its path, with the interpreter of the environment `peers`, in which nothing of this project is installed:
`python peer_worker.py PEER MODEL --size 224 --threads 1 --cache FOLDER`.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Infer = Callable[[], Any]  # -> the logits, as anything that NumPy converts to an array of one or two axes


def load_torch_jit(model: Path, image: np.ndarray, threads: int) -> tuple[Infer, str]:
    """TorchScript, which torch has deprecated but which is still widely used."""
    import torch

    network, batch, version = torch_network(model, image, threads)
    with torch.no_grad():
        optimised = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, batch)))
    infer = torch.inference_mode()(lambda: optimised(batch))
    return infer, f"torch {version}: traced, frozen, optimised for inference, channels last"


def load_torch_compile(model: Path, image: np.ndarray, threads: int) -> tuple[Infer, str]:
    """TorchScript's successor: C++ that torch generates and compiles at the first inference."""
    import torch
    from torch._inductor import config

    network, batch, version = torch_network(model, image, threads)
    config.freezing = True  # the weights are constants: batch norm is folded into them, and they are packed
    optimised = torch.compile(network)
    infer = torch.inference_mode()(lambda: optimised(batch))
    return infer, f"torch {version}: compiled, frozen, channels last"


def torch_network(model: Path, image: np.ndarray, threads: int) -> tuple[Any, Any, str]:
    """torchvision's network with the weights in the file `model`; `image` as a batch for it; torch's version."""
    import torch
    import torchvision
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    state = load_file(model)
    network = torchvision.models.resnet50(num_classes=len(state["fc.bias"]))
    counters = {name: value for name, value in network.state_dict().items() if name not in state}
    network.load_state_dict(state | counters)
    batch = torch.from_numpy(image[None]).permute(0, 3, 1, 2)  # a view: channels last is how the image lies in memory
    return network.eval().to(memory_format=torch.channels_last), batch, torch.__version__.partition("+")[0]


def load_onnxruntime(model: Path, image: np.ndarray, threads: int) -> tuple[Infer, str]:
    """The ONNX file `model`, with all graph optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {"image": planes(image)[None]}
    return lambda: session.run(None, inputs)[0], f"onnxruntime {onnxruntime.__version__}: all graph optimisations"


def load_openvino(model: Path, image: np.ndarray, threads: int) -> tuple[Infer, str]:
    """The ONNX file `model`, compiled for the lowest latency in float32; what is quantised in it stays so.

    By default OpenVINO computes in bfloat16 if the processor can, which changes the logits by 2 %.
    """
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    inputs = {0: planes(image)[None]}
    version = openvino.__version__.partition("-")[0]
    return (
        lambda: request.infer(inputs, share_inputs=True, share_outputs=True)[0],
        f"openvino {version}: compiled for latency, told to compute in float32",
    )


def load_ncnn(model: Path, image: np.ndarray, threads: int) -> tuple[Infer, str]:
    """ncnn's files whose names begin with `model`, in float32."""
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_fp16_storage = network.opt.use_fp16_packed = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    if network.load_param(f"{model}.param") or network.load_model(f"{model}.bin"):
        raise OSError(f"{model}.param or {model}.bin can't be read")
    array = planes(image)
    inputs = ncnn.Mat(array).clone()  # without clone, a Mat points into the array but does not keep it alive

    def infer() -> Any:
        extractor = network.create_extractor()
        extractor.input("in0", inputs)
        return extractor.extract("out0")[1]

    return infer, f"ncnn {ncnn.__version__}: converted by pnnx, told to compute in float32"


def planes(image: np.ndarray) -> np.ndarray:
    """An (H, W, 3) array as (3, H, W), contiguous in that order."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))


LOADERS = {  # peer -> the module to import before the clock starts, and its function; `image` is float32 (H, W, 3)
    "torch.jit": ("torchvision", load_torch_jit),
    "torch.compile": ("torchvision", load_torch_compile),
    "ONNX Runtime": ("onnxruntime", load_onnxruntime),
    "OpenVINO": ("openvino", load_openvino),
    "ncnn": ("ncnn", load_ncnn),
    "ONNX Runtime int8": ("onnxruntime", load_onnxruntime),
    "OpenVINO int8": ("openvino", load_openvino),
}


def peak_memory() -> int | None:
    """The most bytes this process ever held in memory, or None if the system does not report it (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Load, warm up, and answer until the input ends. Returns 2, with a line on stderr, if the library fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=LOADERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="where torch.compile keeps compiled code")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # read when a library is loaded; a smaller one would win
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(options.cache)
    module, load = LOADERS[options.peer]
    # The same random image as the versions' workers use.
    image = np.random.RandomState(0).standard_normal((options.size, options.size, 3)).astype(np.float32)
    try:
        importlib.import_module(module)
        start = time.perf_counter()
        infer, how = load(options.model, image, options.threads)
        infer()  # some libraries compile at the first inference: this is part of loading
        load_seconds = time.perf_counter() - start
        for _ in range(2):  # torch.jit compiles at the third inference
            infer()
    except Exception as error:  # each library has its own exceptions
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    print(json.dumps({"load_seconds": load_seconds, "how": how}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        logits = infer()
        seconds = time.perf_counter() - start
        answer = {"seconds": seconds, "peak_memory": peak_memory(), "logits": np.asarray(logits).ravel().tolist()}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
