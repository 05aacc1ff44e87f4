"""Fused steps against float64: a convolution with its batch norm, residual sum, ReLU and max pooling, in one.

The bound of test_ops.py, n * eps * sum(|a| |b|) for n products, has more terms here. The bias and the residual are two
more summands. Each weight, as the bias, was rounded once when batch norm was folded into it: one more rounding for each
summand. So it is (n + 3) * eps * (sum(|a| |b|) + |bias| + |residual|), with weights and bias as they are after folding.
ReLU and max pooling bring no two numbers further apart.
"""

from itertools import product

import numpy as np
import pytest
import reference
from adapter import convolved, pooled
from conftest import EPS, random, write_weights
from resnet50 import ResNet50, WeightsError, compiler, ops
from resnet50.folding import scale_and_bias
from resnet50.instruction_sets import instruction_set, runnable
from resnet50.packing import packed_size
from resnet50.tiles import Convolution, Pool, ring_size
from test_ops import assert_within

NORM = ("weight", "bias", "running_mean", "running_var")

# height, width, inputs, outputs, kernel, stride, padding: tiles and strips that are full, and those that are not.
CONVOLUTIONS = [
    (9, 5, 3, 5, 3, 1, 1),
    (8, 11, 5, 33, 3, 2, 1),
    (7, 7, 12, 16, 1, 1, 0),
    (5, 9, 20, 70, 1, 1, 0),
    (6, 7, 5, 12, 1, 2, 0),
    (1, 1, 17, 64, 1, 1, 0),
    (4, 30, 1, 1, 7, 2, 3),
]
POOLS = [(3, 2, 1), (3, 1, 1), (2, 2, 0), (2, 1, 1), (1, 2, 0), (5, 3, 2)]  # kernel, stride, padding


def norm_of(channels, seed=3):
    """A batch norm's four tensors: weights of both signs, means far from zero, variances from 0 to about 3."""
    weight, bias, mean, variance = (random(seed + i, channels) for i in range(4))
    variance = np.abs(variance)
    variance[0] = 0
    return weight, bias, 3 * mean, variance


def told(network, image):
    """{layer name: output} as the network tells of them."""
    outputs = {}
    network.run(image, lambda name, output, seconds: outputs.update({name: output}))
    return outputs


def right(x, weight, norm, residual, relu, stride, padding):
    """What a fused convolution computes in float64, and its bound."""
    total = reference.batch_norm(reference.conv2d(x, weight, stride, padding), *norm)
    scale, bias = scale_and_bias(norm)
    size = reference.conv2d(np.abs(x), np.abs(weight * scale[:, None, None, None]), stride, padding) + np.abs(bias)
    if residual is not None:
        total, size = total + residual, size + np.abs(residual)
    return reference.relu(total) if relu else total, (weight[0].size + 3) * EPS * size


@pytest.mark.parametrize("name", runnable())
@pytest.mark.parametrize(("added", "relu"), list(product((False, True), repeat=2)))
@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_a_fused_convolution_is_within_the_rounding_bound(shape, added, relu, name, monkeypatch):
    monkeypatch.setenv("RESNET50_ISA", name)
    height, width, inputs, outputs, kernel, stride, padding = shape
    x, weight, norm = random(0, height, width, inputs), random(1, outputs, inputs, kernel, kernel), norm_of(outputs)
    residual = random(2, *reference.conv2d(x, weight, stride, padding).shape) if added else None
    expected, bound = right(x, weight, norm, residual, relu, stride, padding)
    scale, bias = scale_and_bias(norm)
    fused = {"scale": scale, "bias": bias, "add": residual, "relu": relu, "stride": stride, "padding": padding}
    assert_within(convolved(x, weight, **fused), expected, bound)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("shape", CONVOLUTIONS[:4] + CONVOLUTIONS[-1:], ids=str)
def test_a_fused_max_pooling_is_within_the_rounding_bound(shape, pool, relu):
    height, width, inputs, outputs, kernel, stride, padding = shape
    x, weight, norm = random(0, height, width, inputs), random(1, outputs, inputs, kernel, kernel), norm_of(outputs)
    sums, bounds = right(x, weight, norm, None, relu, stride, padding)
    scale, bias = scale_and_bias(norm)
    fused = {"scale": scale, "bias": bias, "relu": relu, "stride": stride, "padding": padding, "pool": pool}
    if min(sums.shape[:2]) + 2 * pool[2] < pool[0]:
        with pytest.raises(ValueError, match="window"):
            pooled(x, weight, **fused)
        return
    expected, bound = reference.max_pool(sums, *pool), reference.max_pool(bounds, *pool)
    assert_within(pooled(x, weight, **fused), expected, bound)


@pytest.mark.parametrize("outputs", [3, 16, 37])
def test_relu_keeps_nan_and_infinity_of_sums_and_residuals(outputs):
    x, weight, residual = random(0, 9, 9, 3), np.abs(random(1, outputs, 3, 3, 3)), random(2, 9, 9, outputs)
    x[2, 3, 1], x[7, 7, 0], x[4, 7, 2] = np.nan, np.inf, -np.inf
    residual[0, 0, :3] = np.nan, np.inf, -np.inf
    residual[7, 7, 0] = -np.inf  # infinity less infinity is NaN
    with np.errstate(invalid="ignore"):
        expected = reference.relu(reference.conv2d(x, weight, 1, 1) + residual)
    actual = convolved(x, weight, relu=True, add=residual, padding=1)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(actual), np.isinf(expected))
    assert np.isnan(actual[0, 0, 0]) and np.isnan(actual[7, 7, 0]) and actual[0, 0, 1] == np.inf


@pytest.mark.parametrize("outputs", [3, 16, 37])
@pytest.mark.parametrize("pool", POOLS[:3], ids=str)
def test_nan_wins_in_the_windows_that_see_it_and_infinity_in_its_own(pool, outputs):
    x, weight = random(0, 11, 12, 3), np.abs(random(1, outputs, 3, 3, 3))
    x[2, 3, 1], x[9, 9, 0], x[6, 0, 2] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = reference.max_pool(reference.relu(reference.conv2d(x, weight, 1, 1)), *pool)
    actual = pooled(x, weight, relu=True, padding=1, pool=pool)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(actual), np.isinf(expected))
    assert 0 < np.isnan(actual).sum() < actual.size


@pytest.mark.parametrize("outputs", [1, 7, 16, 31, 33])
@pytest.mark.parametrize("pool", [None, Pool(3, 2, 1)])
def test_nothing_is_written_beside_the_output_and_the_workers_own_scratch_memory(outputs, pool):
    isa = instruction_set()
    conv = Convolution(5, 6, 2, outputs, 3, 3, 1, 1, residual=not pool, relu=True, pool=pool)
    weight = np.ones(packed_size(outputs, conv.kernel_size, isa), np.float32)
    bias = np.zeros(packed_size(outputs, 1, isa), np.float32)
    guard, size, scratch = 64, conv.output_size, ring_size(conv, isa)
    place = 60 + guard + size + guard
    step = ("conv2d", 60 + guard, 0, place, compiler.load([conv], isa)[conv], (weight, bias))
    floats = place + 2 * scratch + guard
    program = ops.Program(floats, (0, 60), (60 + guard, size), (step,), 2)
    arena = np.full(floats, 7, np.float32)
    arena[:60] = 1
    program.run_step(ops.crew(1, False), arena, 0)
    used = np.zeros(floats, bool)
    used[:60] = used[60 + guard :][:size] = used[place:][:scratch] = True
    assert (arena[~used] == 7).all()


@pytest.mark.parametrize("workers", [1, 2, 4, 7, 33])
def test_the_bits_do_not_depend_on_who_computes_which_rows_of_the_stem(workers, net, weights_dir):
    other = ResNet50(weights_dir, threads=workers)
    for size in ((32, 32), (97, 65)):
        one, another = (told(network, random(3, *size, 3)) for network in (net, other))
        np.testing.assert_array_equal(one["maxpool"], another["maxpool"])


def test_steps_are_told_under_the_names_of_their_last_layers(net):
    names = list(told(net, random(0, 32, 32, 3)))
    block = [f"layer1.0.{layer}" for layer in ("relu1", "relu2", "downsample.1", "relu3")]
    assert names[:6] == ["maxpool", *block, "layer1.1.relu1"]
    assert names[-2:] == ["avgpool", "fc"] and len(names) == 55


@pytest.mark.parametrize("channel", [0, 4])
@pytest.mark.parametrize("part", ["weight", "running_mean", "bias"])
def test_what_becomes_too_large_for_float32_by_folding_is_refused(part, channel, tensors, tmp_path):
    """ReLU would make 0 of minus infinity: a label, but a wrong one."""
    large = {name: tensors[f"layer2.1.bn2.{name}"].copy() for name in NORM}
    large["running_var"][channel] = 0
    large[part][channel] = 3e38 if part != "running_mean" else -3e38
    if part == "bias":
        large["running_mean"][channel] = -3e38
    folder = write_weights(tmp_path, tensors | {f"layer2.1.bn2.{name}": tensor for name, tensor in large.items()})
    with pytest.raises(WeightsError, match=r"weights.safetensors: layer2\.1\.conv2 .* layer2\.1\.bn2"):
        ResNet50(folder)


@pytest.mark.parametrize(
    ("weight", "variance"),
    [(0.0, 1.0), (-1.0, 1.0), (1e-30, 1.0), (1e-42, 1.0), (1.0, 0.0), (1.0, 3e38), (3e4, 3e38), (1e-20, 1e38)],
)
def test_extreme_statistics_are_right(weight, variance, tensors, tmp_path):
    changed = {name: tensors[f"layer1.1.bn2.{name}"].copy() for name in NORM}
    changed["weight"][::2], changed["running_var"][::2] = weight, variance
    tensors = tensors | {f"layer1.1.bn2.{name}": tensor for name, tensor in changed.items()}
    image = random(1, 32, 32, 3)
    expected = reference.network(tensors, image)
    for name, output in told(ResNet50(write_weights(tmp_path, tensors)), image).items():
        assert np.abs(output - expected[name]).max() <= 2e-5 * np.abs(expected[name]).max(), name
