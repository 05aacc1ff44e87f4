"""The quantised weights, and what the network of bytes does with odd images."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from shared_weights import quantised, scales, sets
from shared_weights.architecture import layers
from shared_weights.quantised import QuantisedNetwork
from shared_weights.scales import Scale


@pytest.fixture(scope="module")
def network(cifar10: Path) -> QuantisedNetwork:
    return QuantisedNetwork.load(cifar10)


def test_every_convolution_and_the_last_layer_has_weights_in_8_bits(network: QuantisedNetwork):
    with_weights = [layer for layer in layers(classes=10) if layer.kind in ("convolution", "linear")]
    assert list(network.weights) == [layer.name for layer in with_weights]
    for layer in with_weights:
        weights = network.weights[layer.name]
        shape = dict(layer.tensors)["weight"]
        assert weights.values.dtype == np.int8 and weights.values.shape == shape
        assert weights.scales.dtype == np.float32 and weights.scales.shape == shape[:1]
        assert weights.bias.dtype == np.int32 and weights.bias.shape == shape[:1]


def test_a_channels_largest_weight_becomes_127(network: QuantisedNetwork):
    for name, weights in network.weights.items():
        largest = np.abs(weights.values.astype(int)).reshape(len(weights.values), -1).max(axis=1)
        assert set(largest.tolist()) <= {0, 127}, name
        assert weights.values.min() >= -127


def test_weights_and_bias_are_within_half_a_step_of_the_folded_ones(network: QuantisedNetwork, cifar10: Path):
    state, _ = sets.load(cifar10)
    for name, norm, given in quantised.convolutions():
        weights, of_x = network.weights[name], np.float64(network.scales[given].scale)
        weight, bias, mean, variance = (
            state[f"{norm}.{tensor}"].astype(float) for tensor in ("weight", "bias", "running_mean", "running_var")
        )
        factor = weight / np.sqrt(variance + 1e-5)
        steps = weights.scales.astype(float)
        folded = state[f"{name}.weight"].astype(float) * factor[:, None, None, None]
        # Half a step, and what float32's rounding of the step moves the largest weight by: 127 * 2**-24 steps.
        slack = (0.5 + 127 * 2.0**-24) * steps
        near = weights.values.astype(float) * steps[:, None, None, None]
        assert (np.abs(near - folded).max(axis=(1, 2, 3)) <= slack).all(), name
        assert (np.abs(weights.bias * of_x * steps - (bias - mean * factor)) <= 0.5001 * of_x * steps).all(), name


def test_a_bias_too_large_for_its_weights_makes_their_step_larger():
    weights = np.array([[1.0, -127.0], [1e-12, 0.0], [0.0, 0.0], [0.0, 0.0], [1e-40, 0.0]])
    found = quantised._quantised(weights, np.array([3.0, -5.0, 7.0, 0.0, 0.0]), Scale(np.float32(0.5)))
    assert found.values.tolist() == [[1, -127], [0, 0], [0, 0], [0, 0], [0, 0]]
    # 7 / 2**29 and 5 / 2**29 are no float32; the bias may pass 2**30 by half a unit in the last place, 2**6.
    assert np.abs(found.bias[1:3] - [-(2**30), 2**30]).max() <= 2**6
    assert found.bias[0] == 6 and found.bias[3] == found.bias[4] == 0
    assert found.scales[3] == found.scales[4] == 1


def test_every_value_is_told_in_order_with_its_shape(network: QuantisedNetwork):
    told: dict[str, tuple[int, ...]] = {}
    image = np.random.RandomState(0).standard_normal((40, 33, 3)).astype(np.float32)
    logits = network(image, lambda name, value: told.update({name: value.shape}))
    assert logits.shape == (10,) and logits.dtype == np.float32
    assert list(told) == ["image", "relu", *scales.names()[1:]]
    expected = {layer.name: layer.output for layer in layers(40, 33, classes=10)}
    assert {name: shape for name, shape in told.items() if name != "image"} == {
        name: expected[name] for name in told if name != "image"
    }


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_that_is_not_finite_has_no_logits(value: float, network: QuantisedNetwork):
    image = np.zeros((32, 32, 3), np.float32)
    image[31, 31, 2] = value
    assert np.isnan(network(image)).all()


def test_a_set_without_scales_is_refused(cifar10: Path, tmp_path: Path):
    copy = shutil.copytree(cifar10, tmp_path / "copy", ignore=shutil.ignore_patterns("quantisation.json"))
    with pytest.raises(sets.WeightSetError, match="quantise"):
        QuantisedNetwork.load(copy)
