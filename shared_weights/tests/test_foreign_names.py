"""Names: a ResNet-50 is known whoever has named its tensors, and what only resembles one is refused as what it is."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as safetensors

from fuzzing.torch_files import five_pickles, zipped
from shared_weights import foreign_names
from shared_weights.architecture import tensors
from shared_weights.sets import WeightSetError

State = dict[str, np.ndarray]
Save = Callable[[bytes], Path]


def assert_read(path: Path, state: State) -> None:
    """That the file holds the network, under torchvision's names and in its order."""
    found = foreign_names.read(path).in_float32()
    assert list(found) == list(tensors(2, 3))
    for name, values in found.items():
        np.testing.assert_array_equal(values, state[name], err_msg=name)


def refusal(path: Path) -> str:
    """Why a file is refused."""
    with pytest.raises(WeightSetError) as caught:
        foreign_names.read(path)
    return str(caught.value).removeprefix(f"{path}: can't be imported: ")


def transformers(name: str) -> str:
    """What transformers calls a tensor; written from its modules, the other way round than what is tested."""
    names = {"conv1": "embedder.embedder.convolution", "bn1": "embedder.embedder.normalization"}
    module, _, last = name.rpartition(".")
    if module == "fc":
        return f"classifier.1.{last}"
    if found := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn|downsample\.)(\d)", module):
        stage, block, kind, number = int(found[1]) - 1, found[2], found[3], int(found[4])
        part = f"shortcut.{'convolution' if number == 0 else 'normalization'}"
        if kind != "downsample.":
            part = f"layer.{number - 1}.{'convolution' if kind == 'conv' else 'normalization'}"
        return f"resnet.encoder.stages.{stage}.layers.{block}.{part}.{last}"
    return f"resnet.{names[module]}.{last}"


@pytest.mark.parametrize("layout", [zipped, five_pickles, safetensors])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "backbone.", "module._orig_mod.model."])
def test_prefixes_of_training_programs_are_left_out(layout, prefix: str, state: State, save: Save):
    assert_read(save(layout({f"{prefix}{name}": values for name, values in state.items()})), state)


def test_transformers_names_are_torchvisions_in_other_words(state: State, save: Save):
    assert len({transformers(name) for name in state}) == len(state)
    assert_read(save(safetensors({transformers(name): values for name, values in state.items()})), state)


def test_transformers_network_without_a_head_is_refused_as_such(state: State, save: Save):
    trunk = {
        transformers(name).removeprefix("resnet."): one for name, one in state.items() if not name.startswith("fc.")
    }
    assert "has none: it ends without classifying" in refusal(save(safetensors(trunk)))


def test_a_name_of_many_prefixes_is_refused_at_once(save: Save):
    assert "a name of 3,000,001 characters" in refusal(save(zipped({"model." * 500_000 + "w": np.ones(1, np.float32)})))


def test_counters_are_left_out(state: State, save: Save):
    more = {"bn1.num_batches_tracked": np.array(7), "n_averaged": np.array(9)}
    assert_read(save(zipped({"model_ema": {f"module.{name}": one for name, one in (state | more).items()}})), state)


@pytest.mark.parametrize("head", ["fc.0", "fc.1", "classifier", "head.fc", "last_linear", "0"])
def test_a_head_of_any_name_is_the_last_layer(head: str, state: State, save: Save):
    names = {"fc.weight": f"{head}.weight", "fc.bias": f"{head}.bias"}
    trunk = {f"backbone.{name}": values for name, values in state.items() if name not in names}
    assert_read(save(zipped(trunk | {names[name]: state[name] for name in names})), state)


def test_the_order_in_the_file_does_not_matter(state: State, save: Save):
    assert_read(save(zipped(dict(reversed(state.items())))), state)


def stages(*counts: int) -> State:
    """The names of a network with so many blocks in its stages."""
    blocks = [f"layer{stage}.{block}" for stage, count in enumerate(counts, 1) for block in range(count)]
    names = ["conv1.weight", *(f"{block}.conv{layer}.weight" for block in blocks for layer in (1, 2, 3)), "fc.weight"]
    return {name: np.zeros((1, 1, 1, 1), np.float32) for name in names}


@pytest.mark.parametrize(
    ("counts", "name"), [((3, 4, 23, 3), "ResNet-101"), ((3, 8, 36, 3), "ResNet-152"), ((1, 1, 1, 1), "1, 1, 1, 1")]
)
def test_a_network_of_another_depth_is_refused_by_its_name(counts: tuple[int, ...], name: str, save: Save):
    assert name in refusal(save(zipped(stages(*counts))))


def test_blocks_of_two_convolutions_are_refused(save: Save):
    two = {name: one for name, one in stages(3, 4, 6, 3).items() if "conv3" not in name}
    assert "two convolutions" in refusal(save(zipped(two)))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("res2.0.conv1.norm.weight", "v1: its stride is in the first 1x1"),
        ("res3a_branch2a.weight", "v1: its stride is in the first 1x1"),
        ("conv2_block1_1_conv.weight", "v1: its stride is in the first 1x1"),
        ("conv1.0.weight", "stem has several convolutions"),
        ("layer1.0.se.fc1.weight", "squeeze-and-excitation"),
        ("layer2.0.downsample.2.weight", "averages in its shortcuts"),
        ("visual.attnpool.k_proj.weight", "CLIP"),
        ("layer1.0.conv1.zero_point", "quantised"),
        ("layer1.0.conv4.weight", "no layer1.0.conv4.weight"),
        ("layer1.0.conv1.bias", "no layer1.0.conv1.bias"),
    ],
)
def test_a_network_that_resembles_it_is_refused_as_what_it_is(name: str, complaint: str, state: State, save: Save):
    assert complaint in refusal(save(zipped(state | {name: np.ones(1, np.float32)})))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"fc.bias": None}, "fc has no weight or no bias"),
        ({"fc.weight": None}, "has none"),
        ({"fc.2.weight": np.ones((3, 4), np.float32)}, "several layers (fc, fc.2)"),
        ({"fc.weight": np.ones((3, 7), np.float32)}, "fc.weight has shape (3, 7), not (3, 64)"),
        ({"fc.bias": np.ones(4, np.float32)}, "fc.bias has shape (4,)"),
        ({"layer1.0.conv2.weight": np.ones((2, 1, 3, 3), np.float32)}, "like a ResNeXt or a wide ResNet"),
        ({"layer4.2.bn3.running_var": None}, "no layer4.2.bn3.running_var"),
        ({"conv1.weight": None}, "no conv1.weight"),
        ({"conv1.weight": np.ones(3, np.float32)}, "no conv1.weight"),
        ({"module.bn1.bias": np.ones(2, np.float32)}, "bn1.bias twice"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(changes: dict, complaint: str, state: State, save: Save):
    changed = {name: values for name, values in (state | changes).items() if values is not None}
    assert complaint in refusal(save(zipped(changed)))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"model_type": "resnet", "downsample_in_bottleneck": True}, "v1, with the stride in the 1x1"),
        ({"model_type": "resnet", "downsample_in_first_stage": True}, "another stride"),
        ({"model_type": "resnet", "hidden_act": "gelu"}, "another stride or activation"),
        ({"architecture": "resnetblur50.bt_in1k", "num_features": 2048}, "calls it resnetblur50.bt_in1k"),
        ("{", "config.json beside it can't be read"),
    ],
)
def test_a_config_beside_the_file_that_tells_of_another_network_counts(config, complaint: str, state, save: Save):
    path = save(safetensors(state))
    path.with_name("config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    assert complaint in refusal(path)


def test_a_config_that_is_a_pipe_is_refused_and_not_waited_for(state: State, save: Save):
    path = save(safetensors(state))
    os.mkfifo(path.with_name("config.json"))
    assert "config.json beside it can't be read" in refusal(path)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "resnet", "downsample_in_bottleneck": False, "hidden_act": "relu"},
        {"architecture": "resnet50.a1_in1k", "num_features": 2048},
        {"architecture": "tv_resnet50", "num_features": 2048},
        {"architecture": "somebody's"},
        [],
    ],
)
def test_a_config_of_a_plain_resnet50_or_of_something_else_is_no_obstacle(config, state: State, save: Save):
    path = save(safetensors(state))
    path.with_name("config.json").write_text(json.dumps(config))
    assert_read(path, state)
