"""Reading without torch against torch itself: its files, torchvision's facts, and timm's and transformers' networks."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fuzzing import torch_files
from shared_weights import foreign_names, imagenet, sets, tensor_file, torch_file
from shared_weights.imagenet import V1, V2
from shared_weights.torch_pickle import Tensor

torch = pytest.importorskip("torch")
models = pytest.importorskip("torchvision.models")

from shared_weights import torch_reference  # noqa: E402  (it imports torch)

TYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
IMAGE = np.random.RandomState(0).standard_normal((96, 64, 3)).astype(np.float32)


def tree() -> dict[str, Any]:
    """A checkpoint with tensors of every type and of unusual strides, and with what training leaves beside them."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW([{"params": [layer.weight]}, {"params": [layer.bias]}])
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    whole = torch.randn(4, 6)
    views = {
        "turned": whole.T,
        "part": whole[1:, ::2],
        "one": whole[0, 0],
        "none": whole[:0],
        "parameter": layer.weight,
    }
    kinds = {name: (10 * torch.randn(5)).to(getattr(torch, name)) for name in TYPES}
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [1, 2]).state_dict()
    rest = {"optimizer": optimiser.state_dict(), "schedule": schedule, "epoch": 3, "size": whole.shape}
    return {"model": layer.state_dict(), "whole": whole, **views, **kinds, **rest, "device": torch.device("cuda", 0)}


def assert_equal(found: Any, expected: Any, numbers: Callable[[Tensor], np.ndarray]) -> int:
    """That all tensors are equal to the last bit; returns how many there are. bfloat16 is read as float32."""
    if isinstance(expected, torch.Tensor):
        wanted = (expected.float() if expected.dtype == torch.bfloat16 else expected).detach().contiguous().numpy()
        values = numbers(found)
        assert (values.dtype, values.shape, values.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())
        return 1
    if type(expected).__name__ in ("dict", "OrderedDict"):
        assert list(found) == list(expected)
        return sum(assert_equal(found[key], value, numbers) for key, value in expected.items())
    return 0


@pytest.mark.parametrize("new", [True, False])
def test_a_file_is_read_as_torch_reads_it_to_the_last_bit(new: bool, tmp_path: Path):
    torch.save(tree(), tmp_path / "x.pth", _use_new_zipfile_serialization=new)
    found, numbers = torch_file.read((tmp_path / "x.pth").read_bytes())
    assert assert_equal(found, torch.load(tmp_path / "x.pth", weights_only=True), numbers) == 24


@pytest.mark.parametrize("order", ["little", "big"])
def test_files_made_without_torch_are_read_by_torch(order: str, tmp_path: Path):
    state = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.float64([1 / 3]), "z": np.ones(3, np.int16)}
    swapped = {name: values.astype(values.dtype.newbyteorder(order)) for name, values in state.items()}
    (tmp_path / "new.pth").write_bytes(torch_files.zipped(swapped, order))
    (tmp_path / "old.pth").write_bytes(torch_files.five_pickles(state))
    for name in ("new.pth", "old.pth"):
        expected = torch.load(tmp_path / name, weights_only=True)
        found, numbers = torch_file.read((tmp_path / name).read_bytes())
        assert assert_equal(found, expected, numbers) == 3
        for key, values in state.items():
            np.testing.assert_array_equal(expected[key].numpy(), values)


@pytest.mark.parametrize("new", [True, False])
def test_what_torch_refuses_to_load_safely_is_refused(new: bool, tmp_path: Path):
    for what in (models.resnet18(), print, {"x": torch.nn.Linear}):
        torch.save(what, tmp_path / "x.pth", _use_new_zipfile_serialization=new)
        with pytest.raises(Exception, match="weights_only"):
            torch.load(tmp_path / "x.pth", weights_only=True)
        with pytest.raises(ValueError, match="is not run here"):
            torch_file.read((tmp_path / "x.pth").read_bytes())


def test_arguments_of_a_program_are_left_blank(tmp_path: Path):
    torch.save({"args": argparse.Namespace(path=tmp_path)}, tmp_path / "x.pth")
    assert torch_file.read((tmp_path / "x.pth").read_bytes())[0] == {"args": None}


@pytest.mark.parametrize(("own", "name"), [(V1, "IMAGENET1K_V1"), (V2, "IMAGENET1K_V2")])
def test_addresses_preparation_and_labels_are_torchvisions(own: imagenet.Published, name: str, pics: Path, tmp_path):
    weights = getattr(models.ResNet50_Weights, name)
    assert own.url == weights.url and own.name == weights.name
    assert imagenet.LABELS.read_text().splitlines() == weights.meta["categories"]
    (tmp_path / "preprocess.json").write_text(json.dumps(imagenet.preprocessing(own.shorter, own.side)))
    for picture in ("chelsea.png", "dog.jpg", "eagle.jpg"):
        expected = weights.transforms()(torch_reference.load(pics / picture)).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(torch_reference.prepare(pics / picture, tmp_path), expected)


def test_the_cache_is_torchs():
    assert imagenet.cached(V2).parent == Path(torch.hub.get_dir()) / "checkpoints"


def randomised(network: Any) -> Any:
    """The network with other batch norms than those it is made with, which change nothing; for inference."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for vector in (module.weight, module.bias, module.running_mean, module.running_var):
                torch.nn.init.uniform_(vector, 0.5, 1.0)
    return network.eval()


def as_set(path: Path, folder: Path) -> Path:
    """The network in a file as a weight set."""
    weights = foreign_names.read(path).in_float32()
    tensor_file.write(folder / "weights.safetensors", weights, {})
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in range(len(weights["fc.bias"]))))
    return folder


def assert_same_logits(network: Callable[[Any], Any], folder: Path) -> None:
    """That torchvision's network with the set computes what the network does, both in float64."""
    with torch.inference_mode():
        expected = network(torch.from_numpy(IMAGE).double().permute(2, 0, 1)[None])[0].numpy()
    found = torch_reference.logits(torch_reference.model(folder), IMAGE)
    # Both are the same operations in the same order, up to what the libraries fuse: float64's machine epsilon, 2**-52,
    # in the place of float32's, 2**-23, in the versions' bound.
    assert np.abs(found - expected).max() <= 2e-5 * 2.0**-29 * np.abs(expected).max()


@pytest.mark.parametrize("form", ["state_dict", "whole", "old", "safetensors", "parallel"])
def test_torchvisions_network_computes_the_same_from_every_form(form: str, tmp_path: Path):
    network = randomised(models.resnet50(num_classes=7))
    state, path = network.state_dict(), tmp_path / "model"
    match form:
        case "safetensors":
            from safetensors.torch import save_file

            save_file(state, path)
        case "whole":
            torch.save({"epoch": 1, "state_dict": state}, path)
        case "parallel":
            torch.save(torch.nn.DataParallel(network).state_dict(), path)
        case _:
            torch.save(state, path, _use_new_zipfile_serialization=form != "old")
    assert_same_logits(network.double(), as_set(path, tmp_path))


def test_timms_network_computes_the_same(tmp_path: Path):
    timm = pytest.importorskip("timm")
    network = randomised(timm.create_model("resnet50", num_classes=7))
    torch.save({"state_dict": network.state_dict(), "arch": "resnet50"}, tmp_path / "model")
    assert_same_logits(network.double(), as_set(tmp_path / "model", tmp_path))


def test_timms_other_networks_of_fifty_layers_are_refused(tmp_path: Path):
    timm = pytest.importorskip("timm")
    for name in ("resnet50d", "resnet50c", "resnext50_32x4d", "wide_resnet50_2", "seresnet50", "resnet101", "resnet34"):
        torch.save(timm.create_model(name, num_classes=7).state_dict(), tmp_path / "model")
        with pytest.raises(sets.WeightSetError):
            foreign_names.read(tmp_path / "model")


def test_transformers_network_computes_the_same_whole_and_in_shards(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    network = randomised(transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=7)))
    for size in ("1GB", "30MB"):
        folder = tmp_path / size
        network.save_pretrained(folder, max_shard_size=size)
        assert (folder / "model.safetensors.index.json").exists() == (size == "30MB")
        assert_same_logits(lambda batch: network.double()(batch).logits, as_set(folder, folder))
        network.float()


def test_transformers_network_with_the_stride_in_the_1x1_is_refused(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(num_labels=7, downsample_in_bottleneck=True)
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    with pytest.raises(sets.WeightSetError, match="v1, with the stride in the 1x1"):
        foreign_names.read(tmp_path)
