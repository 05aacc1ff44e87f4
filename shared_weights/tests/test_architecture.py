"""The architecture as data is torchvision's ResNet-50."""

from itertools import pairwise

import pytest

from shared_weights.architecture import layers, tensors


def test_totals_are_those_of_the_literature():
    network = layers(224, 224)
    assert sum(layer.parameters for layer in network) == 25_557_032
    assert sum(layer.multiply_adds for layer in network) == 4_089_184_256
    assert sum(layer.kind == "convolution" for layer in network) == 53


def test_layers_have_the_order_in_which_a_version_reports_them():
    names = [layer.name for layer in layers(base_width=8, classes=10)]
    assert names[:4] == ["conv1", "bn1", "relu", "maxpool"]
    body = ["conv1", "bn1", "relu1", "conv2", "bn2", "relu2", "conv3", "bn3"]
    block = [*body, "downsample.0", "downsample.1", "add", "relu3"]
    assert names[4:16] == [f"layer1.0.{name}" for name in block]
    assert names[16:26] == [f"layer1.1.{name}" for name in [*body, "add", "relu3"]]
    assert names[-2:] == ["avgpool", "fc"]
    assert len(names) == len(set(names)) == 174


def test_each_layers_input_is_the_output_of_the_one_before():
    network = [layer for layer in layers(65, 97) if "downsample" not in layer.name]
    for before, after in pairwise(network):
        assert after.input == before.output, after.name


def test_base_width_and_classes_scale_the_tensors():
    shapes = tensors(base_width=5, classes=3)
    assert shapes["conv1.weight"] == (5, 3, 7, 7)
    assert shapes["layer4.2.conv2.weight"] == (40, 40, 3, 3)
    assert shapes["fc.weight"] == (3, 160)


def test_tensors_are_torchvisions_in_its_order():
    models = pytest.importorskip("torchvision.models")
    state = {name: tuple(value.shape) for name, value in models.resnet50(num_classes=7).state_dict().items()}
    expected = [(name, shape) for name, shape in state.items() if not name.endswith("num_batches_tracked")]
    assert list(tensors(classes=7).items()) == expected


@pytest.mark.parametrize(("height", "width"), [(224, 224), (64, 64), (32, 32), (65, 97), (33, 1024)])
def test_shapes_are_those_of_torchvision(height: int, width: int):
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):  # shapes without values
        network = models.resnet50()
    found = {}
    for name, module in network.named_modules():
        if name and not list(module.children()) and not name.endswith("relu"):
            module.register_forward_hook(lambda _, __, out, name=name: found.update({name: out.shape[1:]}))
    network.eval()(torch.empty(1, 3, height, width, device="meta"))
    ours = {layer.name: layer.output for layer in layers(height, width)}
    for name, (channels, *size) in found.items():
        assert ours[name] == ((channels,) if name in ("avgpool", "fc") else (*size, channels)), name
    assert len(found) == 53 + 53 + 3  # convolutions, batch norms; maxpool, avgpool, fc
