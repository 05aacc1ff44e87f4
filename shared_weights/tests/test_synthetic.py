"""The random set is the same everywhere, and a network with it behaves like a trained one."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from shared_weights import synthetic as module
from shared_weights.architecture import tensors


@pytest.fixture(scope="module")
def state(synthetic: Path) -> dict[str, np.ndarray]:
    return load_file(synthetic / "weights.safetensors")


def test_the_file_is_made_again_only_if_it_is_damaged(tmp_path: Path):
    path = module.make(tmp_path)
    written = path.stat().st_mtime_ns
    assert module.make(tmp_path) == path
    assert path.stat().st_mtime_ns == written
    os.truncate(path, 1_000_000)
    module.make(tmp_path)
    assert path.stat().st_size > 100_000_000


def test_bytes_that_came_out_differently_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match="came out"):
        module.make(tmp_path)


def test_it_is_a_full_resnet50_in_float32(state: dict[str, np.ndarray]):
    assert {name: tensor.shape for name, tensor in state.items()} == tensors()
    assert {tensor.dtype for tensor in state.values()} == {np.dtype(np.float32)}


def test_every_vector_fills_its_range(state: dict[str, np.ndarray]):
    for name, vector in state.items():
        if vector.ndim == 1:
            low, high = module._range(name)
            slack = 3 * 2.0**-24 * max(-low, high)  # the width, its product and the sum are each rounded once
            # None of n uniform draws is in the outermost tenth at one end with probability 0.9**n: 0.1 % at n = 64.
            tenth = 0.1 * (high - low)
            assert low - slack <= float(vector.min()) < low + tenth, name
            assert high - tenth < float(vector.max()) <= high + slack, name


def test_kernels_have_variance_two_over_fan_in_and_sum_to_zero(state: dict[str, np.ndarray]):
    for name, kernel in state.items():
        if kernel.ndim > 1:
            rows = kernel.reshape(len(kernel), -1).astype(np.float64)
            fan_in = rows.shape[1]
            # Removing a row's mean leaves (1 - 1 / fan_in) of the variance. The estimate from n uniform draws has a
            # relative standard deviation of sqrt(0.8 / n): kurtosis 1.8, less 1. Five of them.
            expected = 2 / fan_in * (1 - 1 / fan_in)
            assert rows.var() == pytest.approx(expected, rel=5 * (0.8 / rows.size) ** 0.5), name
            # Each weight is rounded three times: the mean, the difference, the product.
            bound = 3 * 2.0**-24 * fan_in * np.abs(rows).max()
            assert np.abs(rows.sum(axis=1)).max() < 2 * bound, name


@pytest.mark.parametrize("size", [64, 224])
def test_activations_stay_near_one_through_all_layers(size: int, pics: Path, tmp_path: Path, synthetic: Path):
    torch = pytest.importorskip("torch")
    from shared_weights import torch_reference

    network = torch_reference.model(synthetic).float()
    measured = {}
    for name, part in network.named_modules():
        if name.count(".") <= 2 and name:
            part.register_forward_hook(
                lambda _, __, out, name=name: measured.update({name: out.square().mean().sqrt().item()})
            )
    rules = (synthetic / "preprocess.json").read_text()
    (tmp_path / "preprocess.json").write_text(rules.replace("64", str(size)))
    images = [torch_reference.prepare(pics / name, tmp_path) for name in ("chelsea.png", "cutouts/sports_car.png")]
    images.append(np.random.RandomState(0).standard_normal((size, size, 3)).astype(np.float32))
    outputs = []
    for image in images:
        with torch.inference_mode():
            outputs.append(network(torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0))[0].numpy())
        assert len(measured) > 100
        assert min(measured.values()) > 0.15 and max(measured.values()) < 2.5, measured
    # With weights drawn less carefully, all pictures give the same logits up to a factor: 0.99.
    assert np.abs(np.corrcoef(outputs) - np.eye(3)).max() < 0.9
