"""The quantised network and each of its operators give ONNX Runtime's bytes: not one is another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladder.core.processor import features
from shared_weights import integer_operators as operators
from shared_weights import scales
from shared_weights.quantised import QuantisedNetwork
from shared_weights.scales import Scale

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.skipif(
    not features() & {"avx512_vnni", "avx_vnni"},
    reason="without VNNI, ONNX Runtime saturates sums of two products at 16 bits",
)

from shared_weights import onnxruntime_reference, quantised_onnx  # noqa: E402  (they import onnx and onnxruntime)

F = np.float32


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(32)


def a_scale(random: np.random.Generator, zero_point: int | None = None) -> Scale:
    """A random scale with a zero point, every second time an odd one."""
    zero = int(random.integers(256)) | int(random.integers(2))
    return Scale(F(np.exp(random.uniform(-6, 1))), zero if zero_point is None else zero_point)


def run(operator: str, given: dict[str, Any], constants: dict[str, Any], result: int, **attributes: Any) -> np.ndarray:
    """ONNX Runtime's result, of the element type `result`, for one operator; inputs come before constants."""
    domain = "" if operator in ("QuantizeLinear", "QLinearConv", "MaxPool") else quantised_onnx.MICROSOFT
    order = attributes.pop("order", [*given, *constants])
    types = {name: onnx.helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in given.items()}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, order, ["result"], domain=domain, **attributes)],
        "one operator",
        [onnx.helper.make_tensor_value_info(name, types[name], value.shape) for name, value in given.items()],
        [onnx.helper.make_tensor_value_info("result", result, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(quantised_onnx.MICROSOFT, 1)]
    model = onnx.helper.make_model(graph, opset_imports=domains, ir_version=8)
    session = onnxruntime_reference.session(model.SerializeToString())
    return session.run(None, given)[0]


def constants_of(name: str, scale: Scale) -> dict[str, Any]:
    return {f"{name}.scale": scale.scale, f"{name}.zero": np.uint8(scale.zero_point)}


def planes(x: np.ndarray) -> np.ndarray:
    """(H, W, channels) as (1, channels, H, W)."""
    return np.ascontiguousarray(x.transpose(2, 0, 1))[None]


def test_quantising(random: np.random.Generator):
    for _ in range(50):
        to = a_scale(random)
        x = ((random.integers(-300, 300, (33, 35, 3)) + 0.5) * float(to.scale)).astype(F)  # a half, or next to it
        x = np.nextafter(x, np.where(random.random(x.shape) < 0.5, x, F(np.inf)))
        found = run("QuantizeLinear", {"x": planes(x)}, constants_of("to", to), onnx.TensorProto.UINT8)
        np.testing.assert_array_equal(found, planes(operators.quantise(x, to)))


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
@pytest.mark.parametrize("extreme", [False, True])
def test_convolutions(side: int, stride: int, extreme: bool, random: np.random.Generator):
    for _ in range(10):
        channels, outputs = (3 if side == 7 else int(random.integers(1, 70))), int(random.integers(1, 70))
        x = random.integers(256, size=(12, 15, channels)).astype(np.uint8)
        kernel = random.integers(-127, 128, (outputs, channels, side, side)).astype(np.int8)
        if extreme:  # the largest sums: 16 bits would not hold two of these products
            x[:], kernel[:] = 255, np.where(np.arange(outputs) % 2, 127, -127)[:, None, None, None]
        of_x, to, weights = a_scale(random), a_scale(random), np.exp(random.uniform(-9, -3, outputs)).astype(F)
        bias = random.integers(-9000, 9000, outputs).astype(np.int32)
        sums = operators.convolution(x, of_x.zero_point, kernel, bias, stride)
        largest = max(np.abs(sums).max(), 1) * float(of_x.scale) * float(np.median(weights))
        to = Scale(F(largest / random.uniform(60, 400)), to.zero_point)  # some results pass both ends
        constants = {**constants_of("x", of_x), "w": kernel, "w.scale": weights, "w.zero": np.zeros(outputs, np.int8)}
        constants |= {**constants_of("to", to), "bias": bias}
        window = {"kernel_shape": [side] * 2, "strides": [stride] * 2, "pads": [side // 2] * 4}
        found = run("QLinearConv", {"x": planes(x)}, constants, onnx.TensorProto.UINT8, **window)
        expected = operators.requantise(sums, operators.multiplier(of_x, weights, to), to)
        np.testing.assert_array_equal(found, planes(expected))


def test_requantising_near_a_half(random: np.random.Generator):
    """Sums, given as biases, whose product with the factor lies as near to a half as a whole number can come."""
    count, x = 4096, np.zeros((2, 2, 4), np.uint8)
    for _ in range(50):
        of_x, to, weights = a_scale(random, 0), a_scale(random), np.exp(random.uniform(-9, -3, count)).astype(F)
        to = Scale(F(float(of_x.scale) * 10 ** random.uniform(-1, 2)), to.zero_point)
        factor = operators.multiplier(of_x, weights, to)
        halves = random.integers(-to.zero_point, 255 - to.zero_point, count) + 0.5
        bias = (np.rint(halves / factor) + random.integers(-1, 2, count)).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
        kernel = np.zeros((count, 4, 1, 1), np.int8)
        constants = {**constants_of("x", of_x), "w": kernel, "w.scale": weights, "w.zero": np.zeros(count, np.int8)}
        constants |= {**constants_of("to", to), "bias": bias}
        found = run("QLinearConv", {"x": planes(x)}, constants, onnx.TensorProto.UINT8)
        np.testing.assert_array_equal(found[0, :, 0, 0], operators.requantise(bias, factor, to))


def test_the_maximum_of_windows(random: np.random.Generator):
    for height, width in ((33, 30), (2, 1)):
        x = random.integers(256, size=(height, width, 5)).astype(np.uint8)
        found = run("MaxPool", {"x": planes(x)}, {}, onnx.TensorProto.UINT8, **quantised_onnx.POOLING)
        np.testing.assert_array_equal(found, planes(operators.max_pool(x)))


def test_residual_sums_of_all_pairs_of_bytes(random: np.random.Generator):
    a, b = (values.reshape(16, 16, 256).astype(np.uint8) for values in np.meshgrid(np.arange(256), np.arange(256)))
    for trial in range(60):
        of_a, of_b, to = a_scale(random), a_scale(random), a_scale(random, None if trial % 2 else 0)
        if trial % 3 == 0:  # scales that often make halves
            of_a, of_b = (Scale(F(random.integers(1, 50) / 256), scale.zero_point) for scale in (of_a, of_b))
            to = Scale(F(0.125), to.zero_point)
        constants = constants_of("a", of_a) | constants_of("b", of_b) | constants_of("to", to)
        order = ["a", "a.scale", "a.zero", "b", "b.scale", "b.zero", "to.scale", "to.zero"]
        given = {"a": planes(a), "b": planes(b)}
        found = run("QLinearAdd", given, constants, onnx.TensorProto.UINT8, order=order)
        np.testing.assert_array_equal(found, planes(operators.add(a, of_a, b, of_b, to)))


def test_averages(random: np.random.Generator):
    for trial in range(60):
        of_x, zero = a_scale(random), 0 if trial % 2 else int(random.integers(256))
        height, width = (7, 7) if trial % 3 else random.integers(1, 33, 2)
        x = random.integers(256, size=(height, width, 2000)).astype(np.uint8)
        # One of the sums lies next to a half.
        total = max(int(x[..., 0].sum(dtype=int)) - of_x.zero_point * height * width, 1)
        to = Scale(F(float(of_x.scale) * total / (height * width) / (random.integers(120) + 0.5)), zero)
        constants = constants_of("x", of_x) | constants_of("to", to)
        found = run("QLinearGlobalAveragePool", {"x": planes(x)}, constants, onnx.TensorProto.UINT8)
        np.testing.assert_array_equal(found.ravel(), operators.average_pool(x, of_x, to))


def test_the_last_layer(random: np.random.Generator):
    for _ in range(40):
        channels, outputs = int(random.integers(1, 2049)), int(random.integers(1, 1001))
        of_x, steps = a_scale(random), np.exp(random.uniform(-9, -3, outputs)).astype(F)
        x = random.integers(256, size=channels).astype(np.uint8)
        weights = random.integers(-127, 128, (outputs, channels)).astype(np.int8)
        bias = random.integers(-(2**30), 2**30, outputs).astype(np.int32)
        constants = {**constants_of("x", of_x), "w": weights, "w.scale": steps, "w.zero": np.zeros(outputs, np.int8)}
        found = run("QGemm", {"x": x[None]}, constants | {"bias": bias}, onnx.TensorProto.FLOAT, transB=1)
        expected = operators.linear(x, of_x, weights, steps, bias)
        np.testing.assert_array_equal(found[0].view(np.int32), expected.view(np.int32))


@pytest.mark.parametrize("form", quantised_onnx.FORMS)
@pytest.mark.parametrize(
    ("weights", "size"), [("cifar10", (64, 64)), ("synthetic", (65, 97)), ("synthetic", (224, 224))]
)
def test_every_value_of_the_whole_network(
    weights: str,
    size: tuple[int, int],
    form: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    random: np.random.Generator,
):
    folder = request.getfixturevalue(weights)
    network = QuantisedNetwork.load(folder)
    path = tmp_path / "network.onnx"
    quantised_onnx.write(path, folder, size, form)
    image = random.standard_normal((*size, 3)).astype(F)
    told: dict[str, np.ndarray] = {}
    logits = network(image, lambda name, value: told.update({name: value}))
    found = onnxruntime_reference.values(path, image)
    assert set(scales.names()) - {"image"} < found.keys()
    np.testing.assert_array_equal(found.pop("fc").view(np.int32), logits.view(np.int32))
    np.testing.assert_array_equal(found.pop("image.bytes"), told["image"])
    for name, value in found.items():
        np.testing.assert_array_equal(value, told[name if name != "flatten" else "avgpool"], err_msg=name)
    # With no value kept, ONNX Runtime fuses and rearranges what it likes.
    alone = onnxruntime_reference.logits(onnxruntime_reference.session(path), image)
    np.testing.assert_array_equal(alone.view(np.int32), logits.view(np.int32))
