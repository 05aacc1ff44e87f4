"""The export of torchvision's weights, with a seeded random checkpoint in place of the real one."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from shared_weights import sets, tensor_file
from shared_weights.sets import WeightSetError

from .conftest import ROOT

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")

from shared_weights import imagenet, torch_reference  # noqa: E402  (they import torch)

V1, V2 = models.ResNet50_Weights.IMAGENET1K_V1, models.ResNet50_Weights.IMAGENET1K_V2


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    torch.manual_seed(0)
    return models.resnet50().state_dict()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's folder for checkpoints, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A local address at which nothing listens."""
    with socket.socket() as reserved:  # bound, so that no other process takes it, but not listening
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def put(cache: Path, weights: Any, state: Any) -> Path:
    """Put `state` where torchvision would have downloaded `weights` to."""
    path = cache / weights.url.rpartition("/")[2]
    torch.save(state, path)
    return path


@pytest.mark.parametrize(("weights", "shorter"), [(V1, 256), (V2, 232)])
def test_the_checkpoint_in_the_cache_becomes_a_complete_set(weights, shorter: int, state, cache: Path, tmp_path: Path):
    put(cache, weights, state)
    folder = imagenet.export(tmp_path / "imagenet", weights)
    assert sets.find(folder) == folder
    tensors, labels = sets.load(folder)
    for name, tensor in tensors.items():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, state[name].numpy(), err_msg=name)
    assert len(labels) == 1000 and labels[281:286] == weights.meta["categories"][281:286]
    assert json.loads((folder / "preprocess.json").read_text()) == {
        "steps": [["resize_shorter", shorter], ["center_crop", 224]],
        "filter": "bilinear",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    with safe_open(folder / "weights.safetensors", "numpy") as file:
        assert file.metadata() == {"source": f"torchvision {weights}"}


def test_pictures_are_prepared_as_by_the_weights_own_transforms(pics: Path, tmp_path: Path):
    from PIL import Image

    (tmp_path / "preprocess.json").write_text(json.dumps(imagenet.preprocessing(V2)))
    for name in ("chelsea.png", "dog.jpg", "eagle.jpg"):
        with Image.open(pics / name) as picture:
            expected = V2.transforms()(picture.convert("RGB")).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(torch_reference.prepare(pics / name, tmp_path), expected)


def test_the_exported_set_computes_what_the_checkpoint_does(state, cache: Path, tmp_path: Path):
    put(cache, V2, state)
    folder = imagenet.export(tmp_path / "imagenet")
    image = np.random.RandomState(0).standard_normal((64, 64, 3)).astype(np.float32)
    network = models.resnet50()
    network.load_state_dict(state)
    exported = torch_reference.model(folder)
    np.testing.assert_array_equal(
        torch_reference.logits(exported, image), torch_reference.logits(network.double().eval(), image)
    )


def test_a_new_export_replaces_the_old_set_as_a_whole(state, cache: Path, tmp_path: Path):
    old = tmp_path / "imagenet"
    old.mkdir()
    (old / "golden.safetensors").write_text("of other weights")
    put(cache, V2, state)
    imagenet.export(old)
    assert sorted(path.name for path in old.iterdir()) == ["labels.txt", "preprocess.json", "weights.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagenet", "torch"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_export_leaves_the_old_set_as_it_was(
    interruption, state, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def half(path: Path, *_: object) -> None:
        path.write_bytes(b"half of the weights")
        raise interruption

    put(cache, V2, state)
    old = tmp_path / "imagenet"
    old.mkdir()
    (old / "labels.txt").write_text("old")
    monkeypatch.setattr(tensor_file, "write", half)
    with pytest.raises((KeyboardInterrupt, OSError)):
        imagenet.export(old)
    assert [path.name for path in old.iterdir()] == ["labels.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagenet", "torch"]


def test_a_damaged_checkpoint_is_named_with_the_remedy(state, cache: Path, tmp_path: Path):
    path = put(cache, V2, state)
    os.truncate(path, 1_000_000)
    with pytest.raises(WeightSetError, match=r"resnet50-11ad3fa6\.pth: not a checkpoint .* delete it"):
        imagenet.export(tmp_path / "imagenet")
    assert not (tmp_path / "imagenet").exists()


def test_another_networks_checkpoint_is_rejected(cache: Path, tmp_path: Path):
    put(cache, V2, models.resnet18().state_dict())
    with pytest.raises(WeightSetError, match=r"not a ResNet-50.*layer1\.0\.conv1\.weight"):
        imagenet.export(tmp_path / "imagenet")
    put(cache, V2, ["not", "a", "state", "dict"])
    with pytest.raises(WeightSetError, match="not a checkpoint"):
        imagenet.export(tmp_path / "imagenet")


def test_a_value_that_is_not_finite_is_rejected(state, cache: Path, tmp_path: Path):
    put(cache, V2, state | {"layer2.0.bn1.weight": torch.full((128,), float("inf"))})
    with pytest.raises(WeightSetError, match=r"layer2\.0\.bn1\.weight"):
        imagenet.export(tmp_path / "imagenet")


def test_a_download_that_fails_gives_one_line_and_exit_code_2(cache: Path, nowhere: str):
    before = sorted(path.name for path in sets.HERE.iterdir())
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    run = subprocess.run(
        [sys.executable, "-B", "-m", "shared_weights", "imagenet"],
        cwd=ROOT, env=environment | {"https_proxy": nowhere}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("shared_weights: https://") and "could not be downloaded" in line and str(cache) in line
    assert sorted(path.name for path in sets.HERE.iterdir()) == before
    assert not list(cache.iterdir())


def test_a_download_that_stalls_times_out(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imagenet, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts the connection and never answers
        monkeypatch.setattr(V2.value, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/resnet50-11ad3fa6.pth")
        with pytest.raises(WeightSetError, match=r"could not be downloaded \(.*timed out"):
            imagenet.export(tmp_path / "imagenet")
    assert socket.getdefaulttimeout() is None


def test_a_download_that_works_becomes_a_set(state, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "server").mkdir()
    torch.save(state, tmp_path / "server" / "checkpoint.pth")
    name = f"resnet50-{tensor_file.sha256(tmp_path / 'server' / 'checkpoint.pth')[:8]}.pth"
    (tmp_path / "server" / "checkpoint.pth").rename(tmp_path / "server" / name)
    monkeypatch.setattr(V2.value, "url", (tmp_path / "server" / name).as_uri())
    imagenet.export(tmp_path / "imagenet")
    assert (cache / name).is_file()
    np.testing.assert_array_equal(sets.load(tmp_path / "imagenet")[0]["fc.bias"], state["fc.bias"].numpy())


def test_a_download_with_another_hash_than_announced_is_rejected(cache: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "resnet50-11ad3fa6.pth").write_bytes(b"a page that says: please log in")
    monkeypatch.setattr(V2.value, "url", (tmp_path / "resnet50-11ad3fa6.pth").as_uri())
    with pytest.raises(WeightSetError, match=r"could not be downloaded \(invalid hash"):
        imagenet.export(tmp_path / "imagenet")
    assert not list(cache.iterdir()) and not (tmp_path / "imagenet").exists()
