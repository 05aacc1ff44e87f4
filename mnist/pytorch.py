"""The same network in PyTorch, to check the gradients and to compare the speed. The only file that needs torch."""

import numpy as np
import torch
from torch import nn

from mnist.layers import Array
from mnist.network import DEVIATION, MEAN, SHAPES, Parameters

# The layers with parameters, and their indices in `same_network`.
INDICES = {"conv1": 0, "conv2": 3, "dense1": 8, "dense2": 11}
OPTIMIZERS = {
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, rate, momentum=0.9),
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, rate, alpha=0.9, eps=1e-7),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, rate, betas=(0.9, 0.999), eps=1e-8),
}


def same_network(parameters: Parameters, dropouts: tuple[nn.Module, nn.Module] | None = None) -> nn.Sequential:
    """The network with these parameters, in their type; `dropouts` replace PyTorch's own."""
    first, second = dropouts or (nn.Dropout(0.25), nn.Dropout(0.5))
    convolutions = [nn.Conv2d(1, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU()]
    dense = [nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), second, nn.Linear(128, 10)]
    network = nn.Sequential(*convolutions, first, *dense).to(torch.from_numpy(parameters["conv1.weight"]).dtype)
    with torch.no_grad():
        for name, value in named_parameters(network).items():
            value.copy_(torch.from_numpy(parameters[name]))
    return network


def named_parameters(network: nn.Sequential) -> dict[str, nn.Parameter]:
    """A `same_network`'s parameters under our names."""
    return {name: getattr(network[INDICES[name.split(".")[0]]], name.split(".")[1]) for name in SHAPES}


def as_input(images: Array, dtype: torch.dtype) -> torch.Tensor:
    """images: uint8 (N, 28, 28) -> (N, 1, 28, 28), normalised."""
    return (torch.from_numpy(np.ascontiguousarray(images))[:, None].to(dtype) / 255 - MEAN) / DEVIATION
