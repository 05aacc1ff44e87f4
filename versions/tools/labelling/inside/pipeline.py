"""Label pictures as others do: torch's DataLoader prepares them, ONNX Runtime runs the network.

`python pipeline.py SOURCES WEIGHTS MODEL FOLDER WORKERS THREADS BATCH`, in an environment with both. Pictures are
prepared by the version whose package lies in SOURCES. Prints a line of JSON: `seconds`, from the first picture to the
last label, and `classes`, a file's name -> the number of its likeliest class.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch.utils.data import DataLoader, Dataset

sources, weights, model, folder, *numbers = sys.argv[1:]
workers, threads, batch = map(int, numbers)
sys.path.insert(0, sources)

from resnet50.image import Preprocessing  # noqa: E402 (it lies in SOURCES)


class Pictures(Dataset):
    """The pictures of a folder, prepared: float32 (3, H, W)."""

    def __init__(self) -> None:
        self.files = sorted(Path(folder).glob("*.jpg"))
        self.preprocess = Preprocessing(Path(weights) / "preprocess.json")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = self.preprocess(self.files[index])
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def session() -> Any:
    """The network, for any number of pictures at once."""
    network = onnx.load(model)
    for value in (*network.graph.input, *network.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del network.graph.value_info[:]  # shapes for one picture
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])


torch.set_num_threads(1)
pictures, run = Pictures(), session().run
for _ in range(3):  # it plans its memory
    run(None, {"image": np.zeros((batch, 3, *pictures[0].shape[1:]), np.float32)})
classes: list[int] = []
start = time.perf_counter()
for images in DataLoader(pictures, batch_size=batch, num_workers=workers, prefetch_factor=4):
    [logits] = run(None, {"image": images.numpy()})
    classes += logits.argmax(axis=1).tolist()
seconds = time.perf_counter() - start
named = dict(zip((file.name for file in pictures.files), classes, strict=True))
print(json.dumps({"seconds": seconds, "classes": named}))
