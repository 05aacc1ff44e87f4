"""A weight folder's tensors: read, checked, and arranged as the operators expect them."""

from math import prod
from pathlib import Path

import numpy as np

from .errors import WeightsError
from .folding import batch_norm_tensors, scale_and_bias
from .instruction_sets import InstructionSet
from .memory import LINE, aligned
from .packing import arrange, arranged_size
from .rounding import round_up
from .tensor_file import DTYPES, TensorFile
from .winograd import Form, Products, interleave_kernels, transform_kernels


class Weights:
    """The tensors of a safetensors file, arranged for `isa`: the shapes are read at once, the values by `load`."""

    def __init__(self, folder: Path, isa: InstructionSet) -> None:
        self.isa = isa
        self.path = folder / "weights.safetensors"
        self.required: list[str] = []
        self.layers: dict[str, str | None] = {}  # convolution or linear layer -> its batch norm
        self.winograd: dict[tuple[str, Form, bool], np.ndarray] = {}  # kernels in Winograd's forms, made when planned
        self.tensors: dict[str, np.ndarray] = {}
        self.file = TensorFile(self.path)
        tensors = {name: one for name, one in self.file.tensors.items() if not name.endswith("num_batches_tracked")}
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            if tensor.dtype not in DTYPES:
                raise WeightsError(f"{self.path}: {name} is {tensor.dtype}, expected F32 or F16")

    def load(self) -> None:
        """Reads, checks, folds and arranges all layers, in their order, into one piece of memory; closes the file.

        All kernels are read into one buffer: new memory for each would cost 20 ms of page faults. Raises
        `WeightsError`.
        """
        counts = [arranged_size(self.shapes[f"{name}.weight"], self.isa) for name in self.layers]
        memory = aligned(sum(round_up(count, LINE) for count in counts))
        buffer = np.empty(4 * max(map(prod, self.shapes.values())), np.uint8)
        for (name, norm), count in zip(self.layers.items(), counts):
            scale, bias = self.scale_and_bias(name, norm)
            kernels = self.read(f"{name}.weight", buffer)
            try:
                with np.errstate(over="raise"):
                    kernels, bias = arrange(kernels, scale, bias, self.isa, memory[:count])
            except FloatingPointError as error:
                message = f"{self.path}: {name} is too large for float32 once {norm} is folded into it"
                raise WeightsError(message) from error
            self.tensors[f"{name}.weight"] = kernels
            self.tensors |= dict.fromkeys(batch_norm_tensors(norm) if norm else [f"{name}.bias"], bias)
            memory = memory[round_up(count, LINE) :]
        self.file.close()

    def scale_and_bias(self, name: str, norm: str | None) -> tuple[np.ndarray, np.ndarray]:
        """By what the kernels of the layer `name` are multiplied, and its bias, from its batch norm if it has one."""
        if norm:
            return scale_and_bias([self.read(tensor) for tensor in batch_norm_tensors(norm)])
        bias = self.read(f"{name}.bias")
        return np.ones(len(bias)), bias

    def read(self, name: str, buffer: np.ndarray | None = None) -> np.ndarray:
        """The tensor `name` as it is stored, checked; in `buffer` or in memory of its own."""
        values = self.file.read(name, buffer)
        self.check(name, values)
        return values

    def __getitem__(self, name: str) -> np.ndarray:
        """What became of the tensor `name`, float32, arranged: a layer's kernels, or its bias."""
        return self.tensors[name]

    def transformed(self, name: str, step: Products) -> np.ndarray:
        """The kernels `name` as the step of a form of Winograd's reads them, made on first use.

        They lie apart from the other weights, so that the layer before does not prefetch them. Raises `WeightsError`.
        """
        key = name, step.form, step.in_registers
        if key not in self.winograd:
            outputs, channels = self.shapes[name][:2]
            make = interleave_kernels if step.in_registers else transform_kernels
            try:
                with np.errstate(over="raise"):
                    made = make(self[name], channels, outputs, step.form, self.isa)
            except FloatingPointError as error:
                raise WeightsError(f"{self.path}: {name} is too large for float32 once it is transformed") from error
            self.winograd.setdefault(key, made)  # another thread may have made it meanwhile
        return self.winograd[key]

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
