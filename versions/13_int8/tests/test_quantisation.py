"""quantisation.json: every fault in it gives one clear error. And what a network does with it and with odd pictures."""

import json
import os

import integers
import numpy as np
import pytest
import reference
from conftest import narrow_tensors, quantisation, random, write_weights
from resnet50 import ResNet50, WeightsError
from resnet50 import __main__ as cli
from resnet50.instruction_sets import INSTRUCTION_SETS
from resnet50.network import WeightCheck, forward
from resnet50.quantisation import COMMAND, MOST_SCALES, Scale, Scales
from resnet50.weights import Weights

MOVED = ("image", "layer1.0.bn3", "layer3.0.downsample.1")
ZERO = ("maxpool", "layer1.0.relu1", "layer2.3.relu2", "layer4.2.relu3", "avgpool")


@pytest.fixture
def folder(tmp_path, tensors):
    return write_weights(tmp_path / "weights", tensors)


def rewrite(folder, change):
    """Changes the content of the file, an object, by a function."""
    content = json.loads((folder / "quantisation.json").read_text())
    change(content)
    (folder / "quantisation.json").write_text(json.dumps(content))


def refused(folder, words, capsys):
    """Both Python and the command line give one line that names the file."""
    with pytest.raises(WeightsError) as caught:
        ResNet50(folder)
    assert str(folder / "quantisation.json") in str(caught.value)
    assert words in str(caught.value)
    assert cli.main(["bench", "--size", "32", "--weights", str(folder)]) == 2
    assert capsys.readouterr().err == f"resnet50: {caught.value}\n"


def test_without_scales_the_error_names_the_command_that_makes_them(folder, capsys):
    (folder / "quantisation.json").unlink()
    refused(folder, COMMAND, capsys)


@pytest.mark.parametrize(
    "scale", [0, -1.0, 0.0, 1e-39, 1e39, float("nan"), float("inf"), "1", None, True, [1.0], 10**400]
)
def test_a_scale_that_is_no_positive_normal_number_is_refused(folder, scale, capsys):
    rewrite(folder, lambda content: content["layer2.0.relu1"].update(scale=scale))
    refused(folder, "the scale of layer2.0.relu1 must be a positive, normal float32 number", capsys)


@pytest.mark.parametrize("zero_point", [-1, 256, 1.0, 0.5, "0", None, True, 10**400])
def test_a_zero_point_that_is_no_byte_is_refused(folder, zero_point, capsys):
    rewrite(folder, lambda content: content["image"].update(zero_point=zero_point))
    refused(folder, "the zero point of image must be a whole number from 0 to 255", capsys)


@pytest.mark.parametrize("name", ZERO)
def test_what_is_never_negative_needs_no_zero_point(folder, name, capsys):
    rewrite(folder, lambda content: content[name].update(zero_point=1))
    refused(folder, f"the zero point of {name} must be 0", capsys)


@pytest.mark.parametrize("name", MOVED)
@pytest.mark.parametrize("zero_point", [0, 255])
def test_what_may_be_negative_may_have_any(folder, name, zero_point):
    rewrite(folder, lambda content: content[name].update(zero_point=zero_point))
    assert ResNet50(folder).weights.scales[name].zero_point == zero_point


@pytest.mark.parametrize("name", ["image", "layer1.0.downsample.1", "layer4.2.bn3", "avgpool"])
def test_a_missing_name_is_refused(folder, name, capsys):
    rewrite(folder, lambda content: content.pop(name))
    refused(folder, f"{name} is missing", capsys)


@pytest.mark.parametrize("name", ["fc", "layer1.1.downsample.1", "layer1.0.add", ""])
def test_a_name_of_no_layer_is_refused(folder, name, capsys):
    rewrite(folder, lambda content: content.update({name: {"scale": 1.0, "zero_point": 0}}))
    refused(folder, f"there is no layer {name!r}", capsys)


@pytest.mark.parametrize("entry", [1.0, None, [], {}, {"scale": 1.0}, {"scale": 1.0, "zero_point": 0, "more": 0}])
def test_an_entry_that_is_not_a_scale_and_a_zero_point_is_refused(folder, entry, capsys):
    rewrite(folder, lambda content: content.update(maxpool=entry))
    refused(folder, "maxpool must be an object with scale and zero_point", capsys)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 30000, b"{}", b"1" * 5000])
def test_what_is_not_such_an_object_is_refused(folder, text, capsys):
    (folder / "quantisation.json").write_bytes(text)
    refused(folder, "", capsys)


@pytest.mark.parametrize(
    ("written", "twice", "name"),
    [
        ('{"image": ', '{"image": {"scale": 1.0, "zero_point": 0}, "image": ', "image"),
        ('"layer3.2.relu1": ', '"layer3.2.relu1": {}, "layer3.2.relu1": ', "layer3.2.relu1"),
        ('{"image": {', '{"image": {"scale": 7, ', "scale"),
    ],
)
def test_a_name_that_occurs_twice_is_refused(folder, written, twice, name, capsys):
    text = (folder / "quantisation.json").read_text()
    assert text.count(written) == 1
    (folder / "quantisation.json").write_text(text.replace(written, twice))
    refused(folder, f"the name {name!r} occurs twice", capsys)


def test_a_file_that_is_too_large_is_refused(folder, capsys):
    (folder / "quantisation.json").write_bytes(b" " * (MOST_SCALES + 1))
    refused(folder, "has more than 65,536 bytes", capsys)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_its_place_is_refused_and_nobody_waits(folder, capsys):
    (folder / "quantisation.json").unlink()
    os.mkfifo(folder / "quantisation.json")
    refused(folder, "it is not a file", capsys)


def test_the_order_of_the_names_does_not_matter(folder, net):
    content = json.loads((folder / "quantisation.json").read_text())
    (folder / "quantisation.json").write_text(json.dumps(dict(reversed(content.items()))))
    image = random(0, 32, 32, 3)
    np.testing.assert_array_equal(ResNet50(folder)(image), net(image))


@pytest.mark.parametrize(("large", "small"), [("image", "maxpool"), ("layer2.1.bn3", "layer2.1.relu3")])
def test_scales_that_are_too_far_apart_are_refused(folder, large, small):
    rewrite(folder, lambda content: content[large].update(scale=3e38))
    rewrite(folder, lambda content: content[small].update(scale=2e-38))
    with pytest.raises(WeightsError, match="too far apart"):
        ResNet50(folder)


@pytest.mark.parametrize(("before", "after"), [(3e38, 2e-38), (1.0, 1e36)])
def test_scales_with_which_no_mean_can_be_taken_are_refused(folder, before, after, capsys):
    """A sum of 0 times an infinite factor would be 255, and 0 instead of a mean if the divisor is infinite."""
    rewrite(folder, lambda content: content["layer4.2.relu3"].update(scale=before))
    rewrite(folder, lambda content: content["avgpool"].update(scale=after))
    refused(folder, "the scales of layer4.2.relu3 and avgpool are too far apart, or too large", capsys)


def test_scales_of_the_last_layer_that_are_too_large_are_refused(tensors, tmp_path):
    tensors = tensors | {"fc.weight": np.full_like(tensors["fc.weight"], 1e6)}
    folder = write_weights(tmp_path, tensors)
    rewrite(folder, lambda content: content["avgpool"].update(scale=3e35))
    with pytest.raises(WeightsError, match="fc is too large for float32, or its scales are too far apart"):
        ResNet50(folder)


@pytest.mark.parametrize(("channels", "fits"), [(33155, True), (33156, False)])
def test_sums_that_may_need_more_than_32_bits_are_refused(tensors, channels, fits, tmp_path):
    assert fits == (255 * 127 * channels + 2**30 < 2**31)
    folder = write_weights(tmp_path, widened(tensors, channels))
    check = WeightCheck(Weights(folder, INSTRUCTION_SETS["avx2"]))
    if fits:
        assert forward(check, (3, "image")) == (len(tensors["fc.bias"]), "fc")
    else:
        with pytest.raises(WeightsError, match=r"layer4\.1\.conv1\.weight .* could need more than 32 bits"):
            forward(check, (3, "image"))


def widened(tensors, channels):
    """The tensors, with zeros in the last stage, whose blocks have so many output channels."""
    wider = {}
    for name, tensor in tensors.items():
        outputs, *inputs = tensor.shape
        if name.startswith("layer4") and name.split(".")[2] in ("conv3", "bn3", "downsample"):
            wider[name] = np.zeros((channels, *inputs), np.float32)
        if name in ("layer4.1.conv1.weight", "layer4.2.conv1.weight", "fc.weight"):
            wider[name] = np.zeros((outputs, channels, *inputs[1:]), np.float32)
    return tensors | wider


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pixel", [(0, 0, 0), (31, 39, 2), (15, 20, 1)])
def test_a_picture_that_is_not_finite_gives_nan_in_every_logit_and_every_layer(net, value, pixel):
    image = random(5, 32, 40, 3)
    image[pixel] = value
    assert np.isnan(net(image)).all()
    told = {}
    assert np.isnan(net.run(image, lambda name, output, seconds: told.update({name: output}))).all()
    assert len(told) == 55 and all(np.isnan(output).all() for output in told.values())


def test_the_largest_finite_numbers_are_kept_at_the_ends(net, tensors):
    image = random(6, 32, 32, 3)
    image[3, 4], image[20, 30] = np.finfo(np.float32).max, np.finfo(np.float32).min
    np.testing.assert_array_equal(net(image), integers.network(tensors, image)["fc"])


@pytest.mark.parametrize("zero_point", [0, 1, 255])
def test_a_network_with_any_zero_points_is_exact(tmp_path, zero_point, monkeypatch):
    tensors = narrow_tensors(base_width=3, classes=4, seed=8)
    changed = {name: entry | ({"zero_point": zero_point} if name == "image" or "bn3" in name or "down" in name else {})
               for name, entry in quantisation().items()}  # fmt: skip
    folder = write_weights(tmp_path, tensors)
    (folder / "quantisation.json").write_text(json.dumps(changed))
    monkeypatch.setattr(integers, "quantisation", lambda: changed)
    image = random(1, 37, 50, 3)
    np.testing.assert_array_equal(ResNet50(folder)(image), integers.network(tensors, image)["fc"])


@pytest.mark.parametrize(
    ("weight", "variance"),
    [(0.0, 1.0), (-1.0, 1.0), (1e-30, 1.0), (1e-42, 1.0), (1.0, 0.0), (1.0, 3e38), (3e4, 3e38), (1e-20, 1e38)],
)
def test_extreme_statistics_are_exact(weight, variance, tensors, tmp_path):
    names = ("weight", "running_var")
    changed = {name: tensors[f"layer1.1.bn2.{name}"].copy() for name in names}
    changed["weight"][::2], changed["running_var"][::2] = weight, variance
    tensors = tensors | {f"layer1.1.bn2.{name}": tensor for name, tensor in changed.items()}
    image = random(1, 32, 32, 3)
    logits = ResNet50(write_weights(tmp_path, tensors))(image)
    np.testing.assert_array_equal(logits, integers.network(tensors, image)["fc"])


def test_a_layer_whose_weights_are_all_zero_gives_its_biases(tensors, tmp_path):
    tensors = tensors | {"layer2.1.conv2.weight": np.zeros_like(tensors["layer2.1.conv2.weight"])}
    image = random(2, 32, 32, 3)
    logits = ResNet50(write_weights(tmp_path, tensors))(image)
    np.testing.assert_array_equal(logits, integers.network(tensors, image)["fc"])


def test_a_bias_that_would_not_fit_makes_the_weights_scale_larger():
    scales = Scales(Scale(np.float32(1e-3), 0), Scale(np.float32(1), 0))
    kernels, factor, bias = np.full((2, 1, 1, 1), 1e-6), np.ones(2), np.array([1e7, 0.0])
    weights = scales.weights(kernels, factor, bias)
    assert weights[1] == np.float32(1e-6 / 127)
    found = scales.biases(bias, weights, np.zeros(2))
    assert abs(int(found[0]) - 2**30) <= 2**30 * 2**-24 and found[1] == 0


def test_a_value_is_what_its_scale_says():
    scale = Scale(np.float32(0.25), 100)
    np.testing.assert_array_equal(scale.values(np.array([0, 100, 255], np.uint8)), np.float32([-25, 0, 38.75]))


def test_the_distance_to_float64_is_that_of_quantisation_and_not_of_a_mistake(net, tensors):
    """No bound, but the same class here, and logits that go together: a wrong layer would be uncorrelated."""
    image = random(0, 32, 32, 3)  # the one from which the scales were made
    expected = reference.network(tensors, image)["fc"]
    assert net(image).argmax() == expected.argmax()
    assert np.corrcoef(net(image), expected)[0, 1] > 0.9
