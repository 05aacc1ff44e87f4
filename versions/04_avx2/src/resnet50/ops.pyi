"""The operators of ResNet-50 in C, on dense float32 arrays; raise `ValueError` where shapes do not fit."""

import numpy as np

def require_processor() -> None:
    """Raises `UnsupportedProcessor` if this one lacks AVX2 or FMA."""

def conv2d(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """(height, width, channels) by (outputs, kernel_height, kernel_width, channels) -> (rows, columns, outputs)."""

def batch_norm(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """(height, width, channels), four times (channels,) -> (height, width, channels)."""

def relu(x: np.ndarray, /) -> np.ndarray: ...
def max_pool(x: np.ndarray, kernel: int, stride: int, padding: int) -> np.ndarray:
    """(height, width, channels) -> (rows, columns, channels)."""

def average_pool(x: np.ndarray, /) -> np.ndarray:
    """(height, width, channels) -> (channels,)."""

def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(inputs,), (outputs, inputs), (outputs,) -> (outputs,)."""

def add(x: np.ndarray, y: np.ndarray) -> np.ndarray: ...
