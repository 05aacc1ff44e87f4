"""No byte is further from float64 than its bound, on any network; a bound that leaves a cause out is found wrong."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import ModuleType

import numpy as np
import pytest

from shared_weights import error_bounds, ranges, scales
from shared_weights import integer_operators as operators
from shared_weights.architecture import tensors
from shared_weights.error_bounds import BoundedNetwork, Value, numbers
from shared_weights.quantised import QuantisedNetwork
from shared_weights.scales import Scale

from .conftest import ROOT

State = dict[str, np.ndarray]
CLASSES = 7


def a_state(seed: int, width: int) -> State:
    """A network whose values stay near 1: random kernels, batch norms of any sign, variances that are not 1."""
    random = np.random.default_rng(seed)
    state: State = {}
    for name, shape in tensors(width, CLASSES).items():
        if len(shape) > 1:
            state[name] = random.standard_normal(shape, np.float32) * np.float32(np.prod(shape[1:]) / 2) ** -0.5
        else:
            low, high = {"weight": (0.3, 1.0), "running_var": (0.5, 2.0)}.get(name.rpartition(".")[2], (-0.4, 0.4))
            state[name] = random.uniform(low, high, shape).astype(np.float32)
    return state


def fitting(state: State, images: np.ndarray, part: float) -> dict[str, Scale]:
    """Scales that reach as far as this part of each value's range on these images."""
    exact = BoundedNetwork(state, dict.fromkeys(scales.names(), Scale(np.float32(1)))).follow(images)
    ends = {name: (part * exact[name].exact.min(), part * exact[name].exact.max()) for name in scales.names()}
    return {name: ranges.whole_range(*ends[name], scales.is_signed(name)) for name in scales.names()}


def an_image(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def plain(state: State) -> None:
    """Nothing is changed."""


def outliers(state: State) -> None:
    """One weight of each kernel is fifty times as large: beside it all others are a step or none."""
    for name in state:
        if state[name].ndim == 4:
            state[name][:, 0, 0, 0] *= 50


def extremes(state: State) -> None:
    """Channels without weights, with tiny and with huge ones, and a bias that does not fit its weights' scale."""
    state["layer1.0.conv2.weight"][0] = 0
    state["layer1.1.bn1.weight"][0] = 1e-30
    state["layer2.0.bn2.running_var"][:] = 0
    state["layer2.1.bn3.weight"][:] = 100
    state["layer3.0.downsample.1.bias"][:] = 50
    state["layer4.1.bn2.weight"][0], state["layer4.1.bn2.bias"][0] = 1e-12, 3
    state["fc.weight"][0] *= 1000


CASES = [
    (1, (32, 32), 2, plain, 1.0),
    (2, (33, 47), 3, plain, 1.0),
    (3, (50, 37), 5, plain, 0.4),
    (4, (41, 32), 4, outliers, 1.0),
    (5, (32, 63), 3, outliers, 0.7),
    (6, (35, 35), 4, extremes, 1.0),
    (7, (64, 33), 2, extremes, 0.1),
]


@cache
def both(seed: int, size: tuple[int, int], width: int, change: Callable[[State], None], part: float):
    """A network on bytes, the same with bounds, and an image that is not the one that the scales were made from."""
    state = a_state(seed, width)
    change(state)
    known = fitting(state, an_image(seed, *size, 3), part)
    return QuantisedNetwork(state, known), BoundedNetwork(state, known), an_image(seed + 100, *size, 3)


@pytest.mark.parametrize(("seed", "size", "width", "change", "part"), CASES)
def test_no_step_adds_a_larger_error_than_its_bound(seed, size, width, change, part):
    network, bounded, image = both(seed, size, width, change, part)
    real = numbers(network, image)
    for name, value in bounded.follow(image, real).items():
        assert value.share(real[name]) <= 1, name


@pytest.mark.parametrize(("seed", "size", "width", "change", "part"), CASES)
def test_no_value_is_further_from_float64_than_its_bound(seed, size, width, change, part):
    network, bounded, image = both(seed, size, width, change, part)
    real = numbers(network, image)
    for name, value in bounded.follow(image).items():
        assert value.share(real[name]) <= 1, name
        if name != "fc":  # it cannot be further than the ends of the bytes
            step = float(network.scales["maxpool" if name == "relu" else name].scale)
            assert value.most.max() <= np.abs(value.exact).max() + 255 * step, name


def test_the_bounds_of_single_steps_are_nearly_reached():
    network, bounded, image = both(*CASES[1])
    real = numbers(network, image)
    shares = {name: value.share(real[name]) for name, value in bounded.follow(image, real).items()}
    assert shares.pop("maxpool") == 0  # it adds no error
    assert min(shares.values()) > 0.5, shares


weighted, rounded = error_bounds.weighted, error_bounds.rounded


def without_weights(x, kernel, bias, applied, stride):
    return weighted(x, kernel, bias, (kernel, bias), stride)


def without_biases(x, kernel, bias, applied, stride):
    return weighted(x, kernel, bias, (applied[0], bias), stride)


def without_halves(x, to, relu, slack=0.0):
    value = rounded(x, to, relu, slack)
    return replace(value, most=value.most - np.float64(to.scale) / 100)


def without_cuts(x, to, relu, slack=0.0):
    exact = np.maximum(x.exact, 0) if relu else x.exact
    ends = (np.float64(to.scale) * (end - to.zero_point) for end in (0, 255))
    value = rounded(x, to, relu, slack)
    return replace(value, most=value.most - np.abs(exact - np.clip(exact, *ends)))


@pytest.mark.parametrize(
    ("name", "wrong", "case"),
    [
        ("weighted", without_weights, CASES[1]),
        ("weighted", without_biases, CASES[6]),
        ("rounded", without_halves, CASES[1]),
        ("rounded", without_cuts, CASES[2]),
    ],
)
def test_a_bound_that_leaves_a_cause_out_is_found_wrong(name, wrong, case, monkeypatch: pytest.MonkeyPatch):
    network, bounded, image = both(*case)
    real = numbers(network, image)
    monkeypatch.setattr(error_bounds, name, wrong)
    found = bounded.follow(image, real)
    assert max(value.share(real[step]) for step, value in found.items()) > 1


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The float64 network that the versions' tests compare with, written apart from this one."""
    path = ROOT / "versions" / "01_pure_python" / "tests" / "contract" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("seed", "size", "width", "change", "part"), CASES[:4])
def test_without_rounding_it_is_the_network_in_float64(seed, size, width, change, part, reference: ModuleType):
    _, bounded, image = both(seed, size, width, change, part)
    outputs = reference.network(bounded.state, image)
    for name, value in bounded.follow(image).items():
        if name not in ("image", "relu"):
            # Both sum some thousand products in float64, whose machine epsilon is 2**-52, through 50 layers.
            limit = 50 * 4608 * 2.0**-52 * np.abs(outputs[name]).max()
            expected = outputs[name].reshape(value.exact.shape)
            np.testing.assert_allclose(value.exact, expected, rtol=0, atol=limit, err_msg=name)


def test_several_images_are_followed_like_each_alone():
    network, bounded, image = both(*CASES[0])
    images = np.stack([image, image[::-1]])
    together, real = bounded.follow(images), numbers(network, images)
    for index, one in enumerate(images):
        alone = bounded.follow(one)
        for name, value in numbers(network, one).items():
            np.testing.assert_array_equal(real[name][index], value)
            for part in ("exact", "most", "shift", "power"):
                found, expected = getattr(together[name], part)[index], getattr(alone[name], part)
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_the_expected_square_of_a_rounding_is_a_twelfth_of_a_step():
    """The square of a number that is uniform from -1/2 to 1/2 has the mean 1/12 and the variance 1/180."""
    count, scale = 100_000, Scale(np.float32(0.25), 100)
    exact = np.random.default_rng(0).uniform(-20, 30, count)
    value = rounded(Value.without_error(exact), scale, relu=False)
    bytes_ = operators.quantise(exact.astype(np.float32), scale)
    errors = (bytes_.astype(float) - 100) * 0.25 - exact
    five_sigma = 5 * (count / 180) ** 0.5 / count
    assert abs(np.mean(errors**2) / 0.25**2 - 1 / 12) < five_sigma
    np.testing.assert_allclose(value.square, 0.25**2 / 12)


def test_the_expected_square_of_a_sum_is_that_of_independent_errors():
    """Errors with the variance p give a sum of the variance w**2 * p; its square, if normal, has twice that squared."""
    random, count = np.random.default_rng(1), 40_000
    kernel, power = random.standard_normal((1, 9, 1, 1)), random.uniform(0.1, 2, 9)
    exact = np.ones((1, 1, 9))
    x = Value(exact, np.sqrt(power)[None, None], np.zeros_like(exact), power[None, None])
    value = weighted(x, kernel, 0.0, (kernel, 0.0), 1)
    errors = random.standard_normal((count, 1, 9)) * np.sqrt(power)
    sums = operators.correlation(exact + errors, kernel, 1) - operators.correlation(exact, kernel, 1)
    five_sigma = 5 * (2 / count) ** 0.5
    assert abs(np.mean(sums**2) / value.power.item() - 1) < five_sigma


def test_what_is_cut_off_is_expected_to_be_missing_and_zeros_behind_a_relu_to_be_right():
    scale = Scale(np.float32(0.5))
    value = rounded(Value.without_error(np.array([-3.0, 1.0, 200.0])), scale, relu=True)
    np.testing.assert_allclose(value.square, [0, 0.25 / 12, (200 - 127.5) ** 2])
    assert value.most[0] > 0.25 and value.most[2] >= 72.5


def test_what_rounded_weights_change_is_foreseen_with_its_sign():
    """In a network without ReLUs at work, and with steps so small that nothing else is left."""
    random = np.random.default_rng(2)
    kernels = random.uniform(0.1, 1, (2, 3, 3, 3, 3))
    changes = random.uniform(-1e-3, 1e-3, kernels.shape)
    value = Value.without_error(random.uniform(0.1, 1, (8, 8, 3)))
    found = value.exact
    for kernel, change in zip(kernels, changes):
        found = operators.correlation(found, kernel + change, 1)
        value = weighted(replace(value, most=value.most + 1e-9), kernel, 0.0, (kernel + change, 0.0), 1)
    np.testing.assert_allclose(value.shift, found - value.exact, rtol=1e-9)
