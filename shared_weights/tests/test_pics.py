"""labels.toml gives the true labels of every picture, in the words of the weight sets."""

import tomllib
from pathlib import Path

import pytest
from PIL import Image

from shared_weights.golden import pictures


@pytest.fixture(scope="module")
def labels(pics: Path) -> dict[str, dict]:
    return tomllib.loads((pics / "labels.toml").read_text(encoding="utf-8"))


def test_every_picture_has_an_entry_and_every_entry_a_picture(labels: dict[str, dict], pics: Path):
    assert sorted(labels) == pictures(pics)


def test_entries_say_what_is_shown_and_list_correct_answers(labels: dict[str, dict]):
    for name, entry in labels.items():
        assert entry.keys() <= {"shows", "cifar10", "imagenet"}, name
        assert entry["shows"]
        for key in entry.keys() - {"shows"}:
            assert entry[key] and len(set(entry[key])) == len(entry[key]), name


def test_cifar10_names_are_classes_of_the_set(labels: dict[str, dict], cifar10: Path):
    classes = set((cifar10 / "labels.txt").read_text().splitlines())
    for name, entry in labels.items():
        assert classes.issuperset(entry.get("cifar10", ())), name


def test_cifar10_pictures_have_the_label_in_their_files_name(labels: dict[str, dict]):
    for name, entry in labels.items():
        if name.startswith("cifar10_test/"):
            assert entry["cifar10"] == [name.removeprefix("cifar10_test/").rpartition("_")[0]]


def test_imagenet_names_are_torchvisions(labels: dict[str, dict]):
    models = pytest.importorskip("torchvision.models")
    categories = models.ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    assert categories == models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    for name, entry in labels.items():
        assert set(categories).issuperset(entry.get("imagenet", ())), name
    assert labels["dog.jpg"]["imagenet"] == categories[151:269]  # all breeds, from Chihuahua to Mexican hairless


def test_every_picture_can_be_read_and_has_a_source(pics: Path):
    sources = (pics / "SOURCES.md").read_text(encoding="utf-8")
    for name in pictures(pics):
        with Image.open(pics / name) as picture:
            picture.load()
        folder = name.rpartition("/")[0]
        assert f"`{folder}/*.png`" in sources if folder else f"`{name}`" in sources, name


def test_the_cutouts_have_their_licence_beside_them(pics: Path):
    assert "GNU General Public License" in (pics / "cutouts" / "README.md").read_text()
