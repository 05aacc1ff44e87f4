"""A weight folder's tensors: read, checked, and arranged as the operators expect them."""

from pathlib import Path

import numpy as np

from .errors import WeightsError
from .tensor_file import DTYPES, TensorFile


def arrange(tensor: np.ndarray) -> np.ndarray:
    """From the file's layout to the operators': kernels (O, I, H, W) -> (O, H, W, I), all else as it is.

    A kernel then has the layout of the pixels that it is multiplied with, channels last.
    """
    return np.ascontiguousarray(tensor.transpose(0, 2, 3, 1)) if tensor.ndim == 4 else tensor


def batch_norm_tensors(name: str) -> tuple[str, str, str, str]:
    """The names of a batch norm's four tensors, in the order in which the operator expects them."""
    return f"{name}.weight", f"{name}.bias", f"{name}.running_mean", f"{name}.running_var"


class Weights:
    """The tensors of a safetensors file: the shapes are read at once, the values when asked for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "weights.safetensors"
        self.required: list[str] = []
        self.file = TensorFile(self.path)
        tensors = {name: one for name, one in self.file.tensors.items() if not name.endswith("num_batches_tracked")}
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            if tensor.dtype not in DTYPES:
                raise WeightsError(f"{self.path}: {name} is {tensor.dtype}, expected F32 or F16")

    def __getitem__(self, name: str) -> np.ndarray:
        """The tensor `name` from the file, float32, arranged; raises `WeightsError`."""
        stored = self.file.read(name)
        self.check(name, stored)
        return arrange(stored.astype(np.float32, copy=False))

    def check(self, name: str, values: np.ndarray) -> None:
        """Raises `WeightsError` if the tensor `name` has values that no trained network can have."""
        if not np.isfinite(values).all():
            raise WeightsError(f"{self.path}: {name} holds a value that is not finite")
        if name.endswith("running_var") and (values < 0).any():
            raise WeightsError(f"{self.path}: {name} holds a negative variance")

    def width(self, name: str) -> int:
        """How many outputs the layer with the weight `name` has: the tensor's first dimension."""
        if not self.shapes.get(name):
            raise WeightsError(f"{self.path}: not a ResNet-50: {name} is missing")
        return self.shapes[name][0]

    def require(self, name: str, shape: tuple[int, ...]) -> None:
        """Raises `WeightsError` unless the tensor `name` exists and has `shape`."""
        self.required.append(name)
        if name not in self.shapes:
            raise WeightsError(f"{self.path}: not a ResNet-50: {name} is missing")
        if self.shapes[name] != shape or 0 in shape:
            raise WeightsError(f"{self.path}: {name} has shape {self.shapes[name]}, expected {shape}")

    def require_no_others(self) -> None:
        """Raises `WeightsError` if there are other tensors than the required ones, as in a ResNet-101's file."""
        for name in self.shapes.keys() - self.required:
            raise WeightsError(f"{self.path}: not a ResNet-50: unexpected tensor {name}")
