"""A whole narrow network against float64, and the promises that a network makes to its callers."""

import re
from time import perf_counter

import numpy as np
import pytest
import reference
from adapter import EVERY_WIDTH, FUSED, TOLERANCE
from conftest import narrow_tensors, random, write_weights
from PIL import Image
from resnet50 import PictureError, ResNet50
from resnet50.image import Preprocessing

SIZES = [(32, 32), (33, 47), (64, 40)]
# The default widths, and those that fill whole vector registers. Where each shape is compiled, the latter see only the
# size that is odd at every stride of 2: pixels are cut into tiles by the size alone, channels into strips by the width.
NETWORKS = [*((5, size) for size in SIZES), *((8, size) for size in (SIZES if EVERY_WIDTH else SIZES[1:2]))]
LAST = re.compile(r"maxpool|layer.*(relu\d|downsample\.1)|avgpool|fc")  # of the layers that can be one step


@pytest.mark.parametrize(("base_width", "size"), NETWORKS)
def test_every_layer_is_right(base_width, size, tmp_path):
    tensors = narrow_tensors(base_width)
    image = random(1, *size, 3)
    expected = reference.network(tensors, image)
    told, net, start = {}, ResNet50(write_weights(tmp_path, tensors)), perf_counter()
    logits = net.run(image, lambda name, output, seconds: told.update({name: (np.array(output), seconds)}))
    whole = perf_counter() - start
    assert list(told) == [name for name in expected if not FUSED or LAST.fullmatch(name)]
    for name, (output, seconds) in told.items():
        assert output.shape == expected[name].shape, name
        error = np.abs(output - expected[name]).max() / np.abs(expected[name]).max()
        assert error <= TOLERANCE, f"{name} is the first layer that is off: {error:.1e}"
        assert seconds > 0
    assert sum(seconds for _, seconds in told.values()) <= whole
    np.testing.assert_array_equal(logits, told["fc"][0])


@pytest.mark.parametrize("size", [(32, 1024), (1024, 33)])
def test_the_longest_images_are_right(size, tmp_path):
    tensors = narrow_tensors(base_width=3)
    image = random(8, *size, 3)
    expected = reference.network(tensors, image)["fc"]
    logits = ResNet50(write_weights(tmp_path, tensors))(image)
    assert np.abs(logits - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_the_logits_are_float32_and_the_same_with_and_without_on_layer(net, tensors):
    image = random(2, 32, 32, 3)
    logits = net(image)
    assert logits.dtype == np.float32
    assert logits.shape == tensors["fc.bias"].shape
    np.testing.assert_array_equal(logits, net.run(image, lambda *_: None))


def test_an_image_that_is_not_contiguous_or_not_aligned_gives_the_same(net):
    image = random(3, 40, 36, 3)
    expected = net(image)
    np.testing.assert_array_equal(net(np.asfortranarray(image)), expected)
    shifted = np.frombuffer(b"x" + image.tobytes(), np.uint8)[1:].view(np.float32).reshape(image.shape)
    assert not shifted.flags.aligned
    np.testing.assert_array_equal(net(shifted), expected)


@pytest.mark.parametrize("value", [0.0, 2.64, -2.12])
def test_a_picture_of_one_colour_is_right(net, tensors, value):
    image = np.full((32, 32, 3), value, np.float32)
    expected = reference.network(tensors, image)["fc"]
    assert np.abs(net(image) - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_denormal_numbers_are_right(net, tensors):
    image = random(4, 32, 32, 3) * np.float32(1e-40)
    expected = reference.network(tensors, image)["fc"]
    assert np.abs(net(image) - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("classes", [7, 70, 131])
def test_classes_with_equal_weights_have_equal_logits(classes, tmp_path):
    """Then the order of the labels breaks a tie, however an operator groups the classes into blocks."""
    tensors = narrow_tensors(classes=classes)
    twins = np.arange(classes) % (classes // 2)
    for name in ("fc.weight", "fc.bias"):
        tensors[name] = tensors[name][twins]
    net = ResNet50(write_weights(tmp_path, tensors))
    for seed in range(4):
        logits = net(random(seed, 32, 32, 3))
        np.testing.assert_array_equal(logits, logits[twins])


@pytest.mark.parametrize("pixel", [(0, 0, 0), (16, 16, 1), (31, 31, 2)])
def test_a_nan_in_the_picture_gives_nan_in_every_logit(net, pixel):
    image = random(5, 32, 32, 3)
    image[pixel] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.isnan(net(image)).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_the_output_is_not_finite_where_float64s_is_not(net, tensors, value):
    image = random(6, 32, 32, 3)
    image[10, 10, 1] = value
    with np.errstate(invalid="ignore"):
        expected = reference.network(tensors, image)["fc"]
        logits = net(image)
    assert not np.isfinite(expected).any()
    assert not np.isfinite(logits).any()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 32, 3)),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((32, 32, 3), ">f4"),
        np.zeros((32, 32), np.float32),
        np.zeros((32, 32, 1), np.float32),
        np.zeros((3, 32, 32), np.float32),
        np.zeros((1, 32, 32, 3), np.float32),
        np.zeros((31, 32, 3), np.float32),
        np.zeros((32, 1025, 3), np.float32),
        np.zeros((0, 0, 3), np.float32),
        "a picture",
        [[1.0], [2.0, 3.0]],
        None,
    ],
    ids=lambda image: f"{image.dtype}-{image.shape}" if isinstance(image, np.ndarray) else repr(image),
)
def test_an_array_that_is_not_an_image_is_refused(net, image):
    with pytest.raises(PictureError, match="the image must"):
        net(image)


def test_the_size_of_an_image_that_is_refused_is_told(net):
    with pytest.raises(PictureError, match=r"this one has 1025 x 31 \(width x height\)"):
        net(np.zeros((31, 1025, 3), np.float32))


def test_two_networks_with_different_weights_do_not_mix(net, tmp_path):
    other = ResNet50(write_weights(tmp_path, narrow_tensors(base_width=3, classes=4, seed=8)))
    image = random(9, 32, 32, 3)
    first, second = net(image), other(image)
    assert first.shape == (7,)
    assert second.shape == (4,)
    np.testing.assert_array_equal(first, net(image))


def test_a_network_preprocesses_as_its_weight_folder_specifies(net, weights_dir):
    picture = Image.fromarray(np.random.RandomState(5).randint(0, 256, (40, 50, 3)).astype(np.uint8))
    np.testing.assert_array_equal(net.preprocess(picture), Preprocessing(weights_dir / "preprocess.json")(picture))
