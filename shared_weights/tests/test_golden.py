"""The golden files are what torchvision computes from the weights and pictures of this repository."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from shared_weights import sets
from shared_weights.golden import pictures, thinned
from shared_weights.tensor_file import sha256


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with safe_open(folder / "golden.safetensors", "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.parametrize("name", ["cifar10", "synthetic"])
def test_golden_files_cover_all_pictures_and_belong_to_the_weights(name: str, pics: Path):
    folder = sets.find(name)
    golden, metadata = read(folder)
    assert sorted(golden) == sorted([*pictures(pics), "chelsea.png@32"])
    assert metadata["weights_sha256"] == sha256(folder / "weights.safetensors")
    classes = len((folder / "labels.txt").read_text().splitlines())
    for key, logits in golden.items():
        assert logits.dtype == np.float64 and logits.shape == (classes,) and np.isfinite(logits).all(), key


@pytest.mark.parametrize("name", ["cifar10", "synthetic"])
def test_no_two_classes_are_so_close_that_rounding_could_swap_the_first_two(name: str):
    golden, _ = read(sets.find(name))
    for key, logits in golden.items():
        second, first = np.sort(logits)[-2:]
        # A version may be off by 2e-5 of the largest logit in each, so they could swap if closer than twice that.
        assert first - second > 4e-5 * np.abs(logits).max(), key


def test_thinning_keeps_every_second_pixel_of_64_and_gives_32_from_any_size():
    image = np.arange(64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    np.testing.assert_array_equal(thinned(image), image[::2, ::2])
    for shape in [(32, 32, 3), (224, 224, 3), (232, 300, 3), (1024, 32, 3)]:
        assert thinned(np.zeros(shape, np.float32)).shape == (32, 32, 3)


@pytest.mark.parametrize("name", ["cifar10", "synthetic"])
def test_torchvision_here_computes_the_golden_logits(name: str, pics: Path):
    pytest.importorskip("torch")
    from shared_weights import torch_reference

    folder = sets.find(name)
    golden, _ = read(folder)
    network = torch_reference.model(folder)
    for picture in ("chelsea.png", "cutouts/dog.png", "camera.png", "cifar10_test/ship_0.png"):
        image = torch_reference.prepare(pics / picture, folder)
        expected = golden[picture]
        # float32 is promised within 2e-5 of the largest logit; float64 rounds 2**29 times more finely.
        tolerance = 2e-5 * 2.0**-29 * np.abs(expected).max()
        np.testing.assert_allclose(torch_reference.logits(network, image), expected, rtol=0, atol=tolerance)


def test_write_golden_covers_all_pictures_below_the_folder(pics: Path, cifar10: Path, tmp_path: Path):
    pytest.importorskip("torch")
    from shared_weights import torch_reference

    folder, chosen = tmp_path / "set", tmp_path / "pics"
    folder.mkdir()
    for file in sets.FILES:
        (folder / file).symlink_to(cifar10 / file)
    (chosen / "below").mkdir(parents=True)
    (chosen / "chelsea.png").symlink_to(pics / "chelsea.png")
    (chosen / "below" / "dog.jpg").symlink_to(pics / "dog.jpg")
    torch_reference.write_golden(folder, chosen)
    golden, metadata = read(folder)
    assert list(metadata) and sorted(golden) == ["below/dog.jpg", "chelsea.png", "chelsea.png@32"]
    image = torch_reference.prepare(pics / "chelsea.png", folder)
    small = torch_reference.logits(torch_reference.model(folder), np.ascontiguousarray(image[::2, ::2]))
    np.testing.assert_array_equal(golden["chelsea.png@32"], small)
