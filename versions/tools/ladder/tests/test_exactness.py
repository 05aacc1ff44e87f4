"""A version in 8-bit integers is compared with ONNX Runtime to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from ladder.core import processor
from ladder.core.errors import LadderError
from ladder.core.versions import Version
from ladder.outputs import exactness
from ladder.outputs.agreement import Trial

FLOAT, INT8 = (Version(Path(name), name, "an idea", int8=name == "13_int8") for name in ("12_float", "13_int8"))
LOGITS = np.array([1.5, -2.25, 0.1], np.float32)


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """A picture of 64 x 64 pixels and an array of 32 x 48; ONNX Runtime's logits are LOGITS plus the width."""
    monkeypatch.setattr(processor, "features", lambda: frozenset({"avx_vnni"}))
    np.save(tmp_path / "b.npy", np.zeros((32, 48, 3), np.float32))
    monkeypatch.setattr(
        exactness, "onnxruntime_logits",
        lambda folder, images: {name: LOGITS + np.float32(image.shape[1]) for name, image in images.items()},
    )  # fmt: skip
    return [Trial(name, tmp_path / name, LOGITS) for name in ("a.png", "b.npy")]


def outputs(change: float = 0.0) -> dict[str, dict[str, np.ndarray]]:
    """What a worker tells: float32 as float64; the first of 13's logits on b.npy is changed."""
    right = {"a.png": LOGITS + np.float32(64), "b.npy": LOGITS + np.float32(48)}
    exact = {name: logits.astype(np.float64) for name, logits in right.items()}
    exact["b.npy"][0] += change
    return {"12_float": dict.fromkeys(exact, LOGITS), "13_int8": exact}


def check(trials: list[Trial], change: float) -> list[str]:
    images = {"a.png": np.zeros((64, 64, 3), np.float32)}
    return exactness.check([FLOAT, INT8], Path("a_set"), trials, images, outputs(change))


def test_equal_logits_pass(trials: list[Trial]):
    assert check(trials, 0.0) == []


def test_one_bit_is_a_complaint(trials: list[Trial]):
    [line] = check(trials, float(np.spacing(np.float32(49.5))))
    assert line == "13_int8 and ONNX Runtime differ in 1 of 3 logits on b.npy (a_set)"


def test_without_vnni_a_note_says_that_nothing_is_compared(
    trials: list[Trial], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(processor, "features", lambda: frozenset({"avx2", "fma"}))
    assert check(trials, 1.0) == []
    assert "13_int8: not compared with ONNX Runtime" in capsys.readouterr().err


def test_versions_in_float32_need_no_onnx_runtime(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exactness, "onnxruntime_logits", None)
    assert exactness.check([FLOAT], Path("a_set"), [], {}, {}) == []


def test_a_set_without_scales_is_for_versions_in_float32(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert exactness.able([FLOAT, INT8], tmp_path) == [FLOAT]
    assert "13_int8 is left out" in capsys.readouterr().err
    (tmp_path / "quantisation.json").touch()
    assert exactness.able([FLOAT, INT8], tmp_path) == [FLOAT, INT8]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    import sys

    import shared_weights

    monkeypatch.delattr(shared_weights, "onnxruntime_reference", raising=False)
    monkeypatch.setitem(sys.modules, "shared_weights.onnxruntime_reference", None)
    with pytest.raises(LadderError, match="nox -s reference"):
        exactness.onnxruntime_logits(Path("a_set"), {})


@pytest.mark.skipif(
    not processor.features() & exactness.VNNI,
    reason="without VNNI, ONNX Runtime saturates sums of two products at 16 bits",
)
def test_onnx_runtime_is_asked_for_every_image_at_its_size():
    pytest.importorskip("onnxruntime")
    from shared_weights import sets
    from shared_weights.quantised import QuantisedNetwork

    folder = sets.find("cifar10")
    random = np.random.default_rng(0)
    images = {
        str(size): random.standard_normal((*size, 3), dtype=np.float32) for size in ((32, 48), (32, 32), (33, 32))
    }
    found = exactness.onnxruntime_logits(folder, images)
    network = QuantisedNetwork.load(folder)
    assert found.keys() == images.keys()
    for name, image in images.items():
        np.testing.assert_array_equal(found[name], network(image))
