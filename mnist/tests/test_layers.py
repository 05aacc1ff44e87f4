"""Each layer against its formula in plain loops, and each gradient against central differences, in float64."""

import numpy as np
import pytest

from mnist.layers import (
    Array,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    SoftmaxCrossEntropy,
    softmax,
)

# The error of (f(x + h) - f(x - h)) / 2h is h^2 |f'''| / 6 plus the rounding of f divided by h. Here f is a sum of
# fewer than 1000 terms below 10 that is linear near x (f''' = 0), except for the loss, where |f'''| < 1. So with
# h = 1e-4 the first is below 2e-9, and the second below 1000 * 10 * 2^-53 / 1e-4 = 1.2e-8.
STEP, TOLERANCE = 1e-4, 2e-8


def spread(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Values at least 0.01 from each other and 0.005 from 0, so that no step of STEP changes a maximum or a sign."""
    count = int(np.prod(shape))
    return ((rng.permutation(count) - count // 2) * 0.01 + 0.005).reshape(shape)


def layers() -> dict[str, tuple[Layer, tuple[int, ...]]]:
    """Layers with random parameters, and the shape of an input; heights, widths and numbers all differ."""
    rng = np.random.default_rng(1)
    return {
        "conv2d": (Conv2D(rng.normal(size=(4, 2, 3, 3)), rng.normal(size=4)), (2, 5, 6, 3)),
        "conv2d 1x1 output": (Conv2D(rng.normal(size=(2, 3, 3, 3)), rng.normal(size=2)), (3, 3, 3, 1)),
        "max_pool even": (MaxPool2D(), (2, 4, 6, 3)),
        "max_pool odd": (MaxPool2D(), (2, 5, 7, 3)),
        "relu": (ReLU(), (3, 4, 2, 3)),
        "dropout": (Dropout(0.25), (20, 3)),
        "flatten": (Flatten(), (2, 3, 4, 5)),
        "dense": (Dense(rng.normal(size=(4, 6)), rng.normal(size=4)), (6, 5)),
    }


@pytest.mark.parametrize("name", layers())
def test_gradients_equal_central_differences(name: str) -> None:
    layer, shape = layers()[name]
    rng = np.random.default_rng(2)
    x = spread(rng, shape)
    weights = rng.uniform(-1, 1, layer.forward(x, np.random.default_rng(3)).shape)

    def loss() -> float:
        return float((layer.forward(x, np.random.default_rng(3)) * weights).sum())

    loss()
    gradients = {"x": layer.backward(weights).copy(), **layer.gradients}
    assert gradients.keys() == {"x", *layer.parameters}
    for which, gradient in gradients.items():
        value = x if which == "x" else layer.parameters[which]
        expected = central_differences(loss, value)
        assert gradient.shape == value.shape
        assert np.abs(gradient - expected).max() < TOLERANCE, which


def central_differences(loss, value: Array) -> Array:
    """dloss/dvalue, element by element."""
    result = np.empty(value.shape)
    for index in np.ndindex(value.shape):
        before = value[index]
        value[index] = before + STEP
        above = loss()
        value[index] = before - STEP
        result[index] = (above - loss()) / (2 * STEP)
        value[index] = before
    return result


def test_loss_gradient_equals_central_differences() -> None:
    logits, labels = np.random.default_rng(4).normal(size=(10, 7)), np.array([0, 3, 9, 1, 1, 5, 8])
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, labels)
    gradient = loss.backward()
    expected = central_differences(lambda: float(loss.forward(logits, labels).sum()), logits)
    assert np.abs(gradient - expected).max() < TOLERANCE


def test_conv2d_is_the_sum_over_its_window() -> None:
    rng = np.random.default_rng(5)
    weight, bias, x = rng.normal(size=(4, 2, 3, 3)), rng.normal(size=4), rng.normal(size=(2, 5, 6, 3))
    y = Conv2D(weight, bias).forward(x)
    assert y.shape == (4, 3, 4, 3)
    for o, h, w, n in np.ndindex(y.shape):
        terms = weight[o] * x[:, h : h + 3, w : w + 3, n]
        # 18 products and the bias in any order: at most 19 roundings of sums that are at most sum |terms| + |bias|.
        bound = 19 * 2**-53 * (np.abs(terms).sum() + abs(bias[o])) * 2
        assert abs(y[o, h, w, n] - (terms.sum() + bias[o])) <= bound


def test_max_pool_takes_the_largest_and_ignores_an_odd_row_and_column() -> None:
    x = np.random.default_rng(6).normal(size=(2, 5, 7, 3))
    y = MaxPool2D().forward(x)
    assert y.shape == (2, 2, 3, 3)
    for c, h, w, n in np.ndindex(y.shape):
        assert y[c, h, w, n] == x[c, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2, n].max()


def test_max_pool_gives_the_gradient_to_the_first_of_equal_pixels() -> None:
    layer = MaxPool2D()
    windows = np.array([[[7, 7], [7, 7]], [[0, 7], [7, 7]], [[0, 0], [7, 7]], [[0, 0], [0, 7]]], float)
    layer.forward(windows[..., None])
    dx = layer.backward(np.full((4, 1, 1, 1), 5.0))[..., 0]
    assert dx.tolist() == [[[5, 0], [0, 0]], [[0, 5], [0, 0]], [[0, 0], [5, 0]], [[0, 0], [0, 5]]]


def test_first_layer_can_leave_out_the_gradient_of_its_input() -> None:
    rng = np.random.default_rng(7)
    weight, bias, x = rng.normal(size=(4, 1, 3, 3)), rng.normal(size=4), rng.normal(size=(1, 6, 6, 2))
    full, spared = Conv2D(weight, bias), Conv2D(weight, bias, input_gradient=False)
    dy = full.forward(x).copy()
    spared.forward(x)
    full.backward(dy)
    assert spared.backward(dy).size == 0
    assert all((full.gradients[name] == spared.gradients[name]).all() for name in ("weight", "bias"))


def test_dropout_drops_its_rate_and_keeps_the_mean() -> None:
    layer, x = Dropout(0.25), np.ones((1000, 100))
    y = layer.forward(x, np.random.default_rng(8))
    assert set(np.unique(y)) == {0, 1 / 0.75}
    # The share dropped of 100,000 has a standard deviation of sqrt(0.25 * 0.75 / 100000) = 0.0014; five of them.
    assert abs((y == 0).mean() - 0.25) < 0.007
    assert (layer.backward(x) == y).all()
    assert layer.forward(x) is x  # outside training: the identity


def test_softmax_and_loss_survive_extreme_logits() -> None:
    logits = np.array([[1e4, -1e4, 0, 88.0], [0, 1e4, 0, -1e4], [-1e4, 0, 0, 88.0]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        probabilities = softmax(logits)
        loss = SoftmaxCrossEntropy()
        losses = loss.forward(logits, np.array([2, 0, 1, 1]))
        gradient = loss.backward()
    assert probabilities[:, 0].tolist() == [1, 0, 0]
    # -log p: 1e4 - (-1e4); the same; log 3; 88 + 1e4 + log 2. Each is one float32 rounding (2^-24) of its value away.
    expected = np.array([2e4, 2e4, np.log(3), 1e4 + 88 + np.log(2)])
    assert np.abs(losses / expected - 1).max() < 4 * 2**-24
    assert np.isfinite(gradient).all()
    assert np.abs(gradient.sum(axis=0)).max() < 4 * 2**-24


@pytest.mark.parametrize("name", layers())
def test_the_type_of_the_input_is_kept(name: str) -> None:
    layer, shape = layers()[name]
    for key, value in layer.parameters.items():
        layer.parameters[key] = value.astype(np.float32)
    x = np.ones(shape, np.float32)
    y = layer.forward(x, np.random.default_rng(9))
    dx = layer.backward(np.ones(y.shape, np.float32))
    assert {a.dtype for a in (y, dx, *layer.gradients.values())} == {np.dtype(np.float32)}


def test_a_batch_of_another_size_needs_no_new_layer() -> None:
    rng = np.random.default_rng(10)
    layer = Conv2D(rng.normal(size=(4, 2, 3, 3)), rng.normal(size=4))
    x = rng.normal(size=(2, 5, 6, 8))
    large = layer.forward(x).copy()
    small = layer.forward(x[..., :3])
    # The same 19 terms of at most 10 each, perhaps added in another order.
    assert np.abs(large[..., :3] - small).max() < 19 * 10 * 2**-52
