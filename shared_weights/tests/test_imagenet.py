"""torchvision's weights without torch, with a random checkpoint in the place of the real one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from fuzzing.torch_files import five_pickles, zipped
from shared_weights import imagenet, sets, tensor_file
from shared_weights.__main__ import main
from shared_weights.architecture import tensors
from shared_weights.imagenet import V1, V2, Published
from shared_weights.sets import WeightSetError

from .conftest import ROOT

State = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def full() -> State:
    """Random numbers in the shape of torchvision's network, with its counters."""
    numbers = np.random.RandomState(0)
    state = {name: numbers.uniform(0.1, 0.3, shape).astype(np.float32) for name, shape in tensors().items()}
    return state | {"bn1.num_batches_tracked": np.array(7)}


@pytest.fixture(scope="module")
def content(full: State) -> bytes:
    return zipped(full)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's folder for checkpoints, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def put(cache: Path) -> Callable[..., Published]:
    """Puts a checkpoint where it would be after a download; returns what torchvision would say of it."""

    def write(content: bytes, weights: Published = V2) -> Published:
        (cache / "new").write_bytes(content)
        weights = replace(weights, sha256=tensor_file.sha256(cache / "new")[:8])
        (cache / "new").rename(cache / weights.file)
        return weights

    return write


@pytest.mark.parametrize(("weights", "shorter"), [(V1, 256), (V2, 232)])
def test_the_checkpoint_in_the_cache_becomes_a_complete_set(weights, shorter: int, full, content, put, tmp_path: Path):
    folder = imagenet.export(tmp_path / "imagenet", put(content, weights))
    assert sets.find(folder) == folder
    state, labels = sets.load(folder)
    for name, values in state.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, full[name], err_msg=name)
    assert len(labels) == 1000 and labels[281:286] == [
        "tabby",
        "tiger cat",
        "Persian cat",
        "Siamese cat",
        "Egyptian cat",
    ]
    assert json.loads((folder / "preprocess.json").read_text()) == {
        "steps": [["resize_shorter", shorter], ["center_crop", 224]],
        "filter": "bilinear",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    with safe_open(folder / "weights.safetensors", "numpy") as file:
        assert file.metadata() == {"source": f"torchvision ResNet50_Weights.{weights.name}"}


def test_a_checkpoint_in_the_older_layout_becomes_the_same_set(full: State, content: bytes, put, tmp_path: Path):
    new = imagenet.export(tmp_path / "new", put(content))
    old = imagenet.export(tmp_path / "old", put(five_pickles(full)))
    assert (old / "weights.safetensors").read_bytes() == (new / "weights.safetensors").read_bytes()


def test_a_file_that_lies_elsewhere_under_any_name_can_be_given(
    content: bytes, put, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    weights = put(content)
    given = (cache / weights.file).rename(tmp_path / "from a stick")
    monkeypatch.setattr(imagenet, "V2", weights)
    monkeypatch.setattr(sets, "HERE", tmp_path)
    assert main(["imagenet", "--from", str(given)]) == 0
    assert capsys.readouterr().out.startswith(
        f"{tmp_path}/imagenet/weights.safetensors: IMAGENET1K_V2, 102 MB, SHA-256 "
    )
    assert not list(cache.iterdir())


def test_neither_torch_nor_torchvision_is_imported():
    code = "import sys; sys.modules['torch'] = sys.modules['torchvision'] = None; from shared_weights import imagenet"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, check=True)


def test_the_labels_are_those_by_which_the_pictures_are_judged():
    import tomllib

    labels = set(imagenet.LABELS.read_text().splitlines())
    truth = tomllib.loads((ROOT / "pics" / "labels.toml").read_text())
    assert {label for entry in truth.values() for label in entry.get("imagenet", [])} <= labels
    assert len(imagenet.LABELS.read_text().splitlines()) == 1000


def test_a_new_export_replaces_the_old_set_as_a_whole(content: bytes, put, tmp_path: Path):
    old = tmp_path / "imagenet"
    old.mkdir()
    (old / "golden.safetensors").write_text("of other weights")
    imagenet.export(old, put(content))
    assert sorted(path.name for path in old.iterdir()) == ["labels.txt", "preprocess.json", "weights.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagenet", "torch"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_export_leaves_the_old_set_as_it_was(
    interruption, content: bytes, put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def half(path: Path, *_: object) -> None:
        path.write_bytes(b"half of the weights")
        raise interruption

    old = tmp_path / "imagenet"
    old.mkdir()
    (old / "labels.txt").write_text("old")
    monkeypatch.setattr(tensor_file, "write", half)
    with pytest.raises((KeyboardInterrupt, OSError)):
        imagenet.export(old, put(content))
    assert [path.name for path in old.iterdir()] == ["labels.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imagenet", "torch"]


def test_a_file_with_another_hash_is_refused_unread_with_the_remedy(content: bytes, cache: Path, tmp_path: Path):
    (cache / V2.file).write_bytes(content)
    with pytest.raises(WeightSetError, match=r"11ad3fa6\.pth: is not torchvision's IMAGENET1K_V2: .* delete it"):
        imagenet.export(tmp_path / "imagenet")
    with pytest.raises(WeightSetError, match=r"begins with [0-9a-f]{8}, not 11ad3fa6; `nox -s weights -- import`"):
        imagenet.export(tmp_path / "imagenet", given=cache / V2.file)
    with pytest.raises(WeightSetError, match="none: there is no such file"):
        imagenet.export(tmp_path / "imagenet", given=tmp_path / "none")
    assert not (tmp_path / "imagenet").exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"layer2.0.bn1.weight": np.full(128, np.inf, np.float32)},
            "layer2.0.bn1.weight holds a value that is not finite",
        ),
        ({"fc.bias": np.ones(10, np.float32), "fc.weight": np.ones((10, 2048), np.float32)}, "of 1000 classes"),
        ({"layer3.6.conv1.weight": np.ones(1, np.float32)}, "3, 4, 7, 3 blocks"),
    ],
)
def test_a_network_of_another_shape_is_refused(changes: dict[str, Any], complaint: str, full, put, tmp_path: Path):
    with pytest.raises(WeightSetError, match=complaint):
        imagenet.export(tmp_path / "imagenet", put(zipped(full | changes)))
    assert not (tmp_path / "imagenet").exists()


def test_a_download_becomes_a_set_and_stays_in_the_cache(
    content: bytes, put, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    weights = put(content)
    served = (cache / weights.file).rename(tmp_path / weights.file)
    monkeypatch.setattr(imagenet, "SERVER", f"{tmp_path.as_uri()}/")
    imagenet.export(tmp_path / "imagenet", weights)
    assert (cache / weights.file).read_bytes() == served.read_bytes()
    assert sets.find(tmp_path / "imagenet")


def test_a_download_that_fails_gives_one_line_and_exit_code_2(cache: Path):
    before = sorted(path.name for path in sets.HERE.iterdir())
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    run = subprocess.run(
        [sys.executable, "-B", "-m", "shared_weights", "imagenet"],
        cwd=ROOT, env=environment | {"https_proxy": "http://127.0.0.1:9"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2
    *_, line = run.stderr.splitlines()
    assert line.startswith("shared_weights: https://") and "could not be downloaded" in line and str(cache) in line
    assert sorted(path.name for path in sets.HERE.iterdir()) == before
    assert [path.name for path in cache.iterdir()] == [f".{V2.file}.lock"]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "home/.cache/torch"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/torch"),
        ({"XDG_CACHE_HOME": "/xdg", "TORCH_HOME": "~/torch"}, "home/torch"),
    ],
)
def test_the_cache_is_torchs(variables: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": str(tmp_path / "home")} | variables).items():
        monkeypatch.setenv(name, value)
    assert imagenet.cached(V2) == tmp_path / folder / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
