"""Pairs of products that are added in 16 bits: what saturates is counted, and the form that 13 uses is exact."""

import numpy as np
import pytest

from ladder.core import processor
from ladder.layers import saturation
from ladder.layers.saturation import Call, Recorder, Tally
from shared_weights import integer_operators as operators
from shared_weights import scales
from shared_weights.architecture import tensors
from shared_weights.scales import Scale

SATURATING, EXACT = saturation.WAYS
AVX2 = pytest.mark.skipif("avx2" not in processor.features(), reason="needs AVX2")


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory):
    return saturation.build(tmp_path_factory.mktemp("pairs"))


def sums(function, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    found = np.empty((len(x), len(weights)), np.int32)
    function(found.ctypes.data, x.ctypes.data, weights.ctypes.data, *found.shape, x.shape[1])
    return found


def by_pairs(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The same as vpmaddubsw: neighbouring products are added, and the sum is kept between -32768 and 32767."""
    products = x[:, None].astype(int) * weights[None]
    return (products[..., ::2] + products[..., 1::2]).clip(-32768, 32767).sum(axis=-1)


@AVX2
@pytest.mark.parametrize("seed", range(4))
def test_both_functions_compute_what_their_names_say(seed: int, functions):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (5, 96), np.uint8)
    weights = random.integers(-127, 128, (3, 96), np.int8)
    x[0], weights[0], x[1], weights[1] = 255, 127, 255, -127
    np.testing.assert_array_equal(sums(functions[EXACT], x, weights), x.astype(int) @ weights.T.astype(int))
    pairs = sums(functions[SATURATING], x, weights)
    np.testing.assert_array_equal(pairs, by_pairs(x, weights))
    assert pairs[0, 0] == 48 * 32767 and pairs[0, 1] == 48 * -32768


@AVX2
def test_weights_up_to_64_never_saturate(functions):
    """255 * 64 * 2 is 32640: which is why others give weights 7 bits."""
    x, weights = np.full((1, 32), 255, np.uint8), np.full((2, 32), 64, np.int8)
    weights[1] = -64
    np.testing.assert_array_equal(sums(functions[SATURATING], x, weights), [[32 * 255 * 64, -32 * 255 * 64]])
    weights += np.array([[1], [-1]], np.int8)
    assert (sums(functions[SATURATING], x, weights) != sums(functions[EXACT], x, weights)).all()


@pytest.mark.parametrize(("side", "stride", "channels", "zero_point"), [(7, 2, 3, 114), (3, 1, 5, 0), (1, 2, 4, 0)])
def test_the_products_of_a_convolution_add_up_to_its_sums(side: int, stride: int, channels: int, zero_point: int):
    random = np.random.default_rng(side)
    x = random.integers(0, 256, (9, 6, channels), np.uint8)
    kernels = random.integers(-127, 128, (2, channels, side, side), np.int8)
    seen, weights = saturation.products(Call(x, zero_point, kernels, stride, np.ones(2, np.float32)))
    assert seen.shape[1] == weights.shape[1] and seen.shape[1] % 32 == 0
    raw = seen.astype(int) @ weights.T.astype(int)  # of the bytes themselves, not less their zero point
    centred = raw - zero_point * kernels.reshape(2, -1).sum(axis=1, dtype=int)
    expected = operators.convolution(x, zero_point, kernels, np.zeros(2, np.int32), stride)
    np.testing.assert_array_equal(centred, expected.reshape(-1, 2))


@AVX2
def test_the_sums_of_a_whole_network_are_counted(functions):
    random = np.random.default_rng(0)
    state = {name: random.uniform(0.1, 1, shape).astype(np.float32) for name, shape in tensors(4, 3).items()}
    known = {name: Scale(np.float32(0.01), 128 if scales.is_signed(name) else 0) for name in scales.names()}
    network = Recorder(state, known)
    found = saturation.tally(network, random.standard_normal((32, 32, 3), np.float32), functions)
    assert len(network.calls) == 53
    assert found[EXACT] == Tally(sums=found[SATURATING].sums)  # none is wrong
    assert 0 < found[SATURATING].wrong <= found[SATURATING].sums and found[SATURATING].furthest > 0


@pytest.mark.parametrize(
    ("features", "isa", "expected"),
    [
        ({"avx2"}, None, True),
        ({"avx2", "avx_vnni"}, None, False),
        ({"avx2", "avx512_vnni"}, "avx2", True),
        ({"avx2", "avx512_vnni"}, "avx512vnni", False),
        ({"neon"}, "avx2", False),
    ],
)
def test_it_is_shown_where_vnni_is_missing_or_disabled(
    features: set[str], isa: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processor, "features", lambda: frozenset(features))
    monkeypatch.delenv("RESNET50_ISA", raising=False)
    if isa:
        monkeypatch.setenv("RESNET50_ISA", isa)
    assert saturation.wanted() == expected


def test_a_row_for_each_way_says_how_many_are_wrong():
    table = saturation.tabulate([("cifar10", {SATURATING: Tally(1000, 15, 7.25), EXACT: Tally(1000)})])
    rows = list(zip(*(column.cells for column in table.columns)))
    assert rows == [("cifar10", SATURATING, "1,000", "15", "1.5", "7.25 steps"),
                    ("cifar10", EXACT, "1,000", "0", "0", "")]  # fmt: skip
