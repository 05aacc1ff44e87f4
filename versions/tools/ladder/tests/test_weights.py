"""Which weight sets there are, and what is said of the one that is used."""

import shutil
from pathlib import Path

import pytest

from ladder.core import weights
from shared_weights import sets


@pytest.fixture
def imagenet(weight_set: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the set imagenet belongs, beside cifar10; it is not there yet."""
    monkeypatch.setattr(sets, "HERE", weight_set.parent)
    return weight_set.with_name("imagenet")


def test_imagenet_belongs_to_the_sets_once_it_is_there(imagenet: Path, weight_set: Path):
    assert weights.present(["cifar10"]) == [weight_set]
    shutil.copytree(weight_set, imagenet)
    assert weights.present(["cifar10"]) == [weight_set, imagenet]


def test_it_is_said_why_a_set_is_used_and_how_much_it_knows(imagenet: Path, weight_set: Path):
    assert "`nox -s weights -- imagenet` downloads it" in weights.describe(weights.find(None), None)
    assert weights.describe(weight_set, "cifar10") == "cifar10"
    shutil.copytree(weight_set, imagenet)
    (imagenet / "labels.txt").write_text("".join(f"{label}\n" for label in range(1000)))
    for asked in (None, "imagenet"):
        assert weights.describe(weights.find(asked), asked) == "imagenet, which knows 1,000 classes"
