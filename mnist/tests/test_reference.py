"""Compared with PyTorch in float64: every layer's gradients, the loss, and whole training steps of each optimiser."""

import numpy as np
import pytest

from mnist.data import embedded
from mnist.layers import Array, Conv2D, Dense, Layer, MaxPool2D, ReLU, SoftmaxCrossEntropy
from mnist.network import SHAPES, Network, initial_parameters
from mnist.optimizers import OPTIMIZERS
from mnist.shards import sharded

torch = pytest.importorskip("torch", reason="the reference needs PyTorch")
from torch import nn  # noqa: E402

from mnist import pytorch  # noqa: E402

# Sums of up to 121 * 128 products of order 1 in float64: 15,488 * 2^-53 = 1.7e-12 at worst. The tests ask for 1e-10.
TOLERANCE = 1e-10


def picture_first(x: Array) -> "torch.Tensor":
    """Our (..., N) as PyTorch's (N, ...), which requires a gradient."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 0))).requires_grad_()


def picture_last(x: "torch.Tensor") -> Array:
    """PyTorch's (N, ...) as our (..., N)."""
    return np.moveaxis(x.detach().numpy(), 0, -1)


def cases() -> dict[str, tuple[Layer, nn.Module, tuple[int, ...]]]:
    rng = np.random.default_rng(1)

    def pair(ours: type[Layer], theirs: nn.Module, *shape: int) -> tuple[Layer, nn.Module]:
        weight, bias = rng.normal(size=shape) * 0.1, rng.normal(size=shape[0])
        theirs = theirs.double()
        with torch.no_grad():
            theirs.weight.copy_(torch.from_numpy(weight))
            theirs.bias.copy_(torch.from_numpy(bias))
        return ours(weight, bias), theirs  # type: ignore[call-arg]

    return {
        "conv1": (*pair(Conv2D, nn.Conv2d(1, 32, 3), 32, 1, 3, 3), (1, 28, 28, 5)),
        "conv2": (*pair(Conv2D, nn.Conv2d(32, 64, 3), 64, 32, 3, 3), (32, 13, 13, 5)),
        "pool even": (MaxPool2D(), nn.MaxPool2d(2), (32, 26, 26, 5)),
        "pool odd": (MaxPool2D(), nn.MaxPool2d(2), (64, 11, 11, 5)),
        "relu": (ReLU(), nn.ReLU(), (64, 5, 5, 5)),
        "dense": (*pair(Dense, nn.Linear(1600, 128), 128, 1600), (1600, 5)),
    }


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", cases())
def test_layer_and_its_gradients_equal_pytorch(name: str, ties: bool) -> None:
    ours, theirs, shape = cases()[name]
    rng = np.random.default_rng(2)
    x = rng.integers(-2, 3, shape).astype(float) if ties else rng.normal(size=shape)
    reference_x = picture_first(x)
    reference_y = theirs(reference_x)
    y = ours.forward(x)
    assert np.abs(y - picture_last(reference_y)).max() < TOLERANCE
    dy = rng.normal(size=y.shape)
    reference_y.backward(picture_first(dy).detach())
    assert np.abs(ours.backward(dy) - picture_last(reference_x.grad)).max() < TOLERANCE
    for parameter, gradient in ours.gradients.items():
        assert np.abs(gradient - getattr(theirs, parameter).grad.numpy()).max() < TOLERANCE


@pytest.mark.parametrize("scale", [1, 1e4])
def test_loss_and_its_gradient_equal_pytorch(scale: float) -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(10, 50)) * scale, rng.integers(0, 10, 50)
    loss = SoftmaxCrossEntropy()
    losses = loss.forward(logits, labels)
    reference_logits = picture_first(logits)
    reference = nn.functional.cross_entropy(reference_logits, torch.from_numpy(labels), reduction="none")
    reference.sum().backward()
    assert np.abs(losses - reference.detach().numpy()).max() < TOLERANCE * scale
    assert np.abs(loss.backward() - picture_last(reference_logits.grad)).max() < TOLERANCE


class GivenMask(nn.Module):
    """Dropout with a given mask."""

    mask: "torch.Tensor"

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return x * self.mask.reshape(x.shape)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_steps_equal_pytorch(name: str) -> None:
    """Three steps, so that the optimisers' memories count too; 40 digits, so that there are two unequal shards."""
    parameters = initial_parameters(4, np.float64)
    optimizer = OPTIMIZERS[name](parameters)
    dropouts = GivenMask(), GivenMask()
    reference = pytorch.same_network(parameters, dropouts)
    reference_optimizer = pytorch.OPTIMIZERS[name](reference.parameters(), optimizer.learning_rate)
    with sharded(parameters, threads=2) as network:
        for step in range(3):
            digits = embedded().train[40 * step : 40 * (step + 1)]
            for module, mask in zip(dropouts, masks(parameters, digits.images, step)):
                module.mask = mask
            gradients, loss, _ = network.gradients(digits.images, digits.labels, (5, step))
            optimizer.step(gradients)

            reference_optimizer.zero_grad()
            logits = reference(pytorch.as_input(digits.images, torch.float64))
            reference_loss = nn.functional.cross_entropy(logits, torch.from_numpy(digits.labels.astype(np.int64)))
            reference_loss.backward()
            reference_optimizer.step()

            assert abs(loss / 40 - reference_loss.item()) < TOLERANCE
            for key, value in pytorch.named_parameters(reference).items():
                assert np.abs(gradients[key] - value.grad.numpy()).max() < TOLERANCE, key
                assert np.abs(parameters[key] - value.detach().numpy()).max() < TOLERANCE, key


def masks(parameters: dict[str, Array], images: Array, step: int) -> list["torch.Tensor"]:
    """The masks that the shards of `network.gradients(images, ..., (5, step))` draw: (N, features) each."""
    network, drawn = Network(parameters), []
    for shard, part in enumerate((slice(0, 32), slice(32, 40))):
        network.forward(images[part], np.random.default_rng((5, step, shard)))
        drawn.append([network.layers[layer].mask for layer in ("dropout1", "dropout2")])  # type: ignore[attr-defined]
    return [picture_first(np.concatenate(pair, axis=-1)).detach() for pair in zip(*drawn)]


def test_network_without_dropout_equals_pytorch() -> None:
    parameters = initial_parameters(6, np.float64)
    images = embedded().test.images[:100]
    reference = pytorch.same_network(parameters).eval()(pytorch.as_input(images, torch.float64))
    assert parameters.keys() == SHAPES.keys()
    assert np.abs(Network(parameters).forward(images) - picture_last(reference)).max() < TOLERANCE
