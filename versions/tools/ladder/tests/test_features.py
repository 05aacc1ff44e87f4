"""The figure of feature maps: which channels of which layers it shows, and what it says where it can't show any."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ladder.__main__ import main
from ladder.core.errors import LadderError
from ladder.outputs import feature_figure
from ladder.outputs import features as module
from ladder.outputs.feature_figure import strongest
from ladder.outputs.features import see

from .conftest import LABELS, Tree, write

# A version that refuses a picture whose file does not begin with "p". The stages' last outputs hold 1, 2, ... 5; what a
# stage tells before that is zero.
FAKE = """
import json, pathlib, numpy
settings = json.loads(pathlib.Path(__file__).with_name("settings.json").read_text())
class ResNet50:
    def __init__(self, weights):
        pass
    def preprocess(self, picture):
        if open(picture).read(1) != "p":
            raise ValueError(f"{picture}: not a picture")
        return numpy.full((32, 48, 3), 0.5, numpy.float32)
    def run(self, image, on_layer):
        assert image.shape == (32, 48, 3)
        stages = ([f"layer{number}.0.conv1", f"layer{number}.2.relu3"] for number in (1, 2, 3, 4))
        for number, names in enumerate((["conv1", "bn1", "relu", "maxpool"], *stages), 1):
            for name in names:
                value = number if name == names[-1] else 0
                on_layer(name, memoryview(numpy.full((4, 6, 5 * number), value, numpy.float32)), 0.0)
        on_layer("avgpool", numpy.zeros(25, numpy.float32), 0.0)
        on_layer("fc", numpy.zeros(6, numpy.float32), 0.0)
        if settings.get("die"):
            raise SystemExit(7)
        return numpy.array(settings["logits"], numpy.float32)
"""


@pytest.fixture
def eye(fake, tree: Tree, weight_set: Path, monkeypatch) -> Callable[..., Path]:
    """Makes a version that can be asked for feature maps, and returns a picture."""
    monkeypatch.setattr(module.weights, "find", lambda name: weight_set)
    write(weight_set / "preprocess.json", json.dumps({"mean": [0.5, 0.25, 0.0], "std": [0.5, 1.0, 4.0]}))

    def add(**settings: object) -> Path:
        home = fake("07_seven", {}).parent / "resnet50"
        write(home / "__init__.py", FAKE)
        write(home / "settings.json", json.dumps({"logits": [0.0, 3.0, 0.0, 1.0, 2.0, 0.5]} | settings))
        write(tree.root / "my cat.jpg", "p")
        return tree.root / "my cat.jpg"

    return add


def test_the_figure_stands_in_a_file_named_after_the_picture(eye, tree: Tree, capsys):
    assert main(["features", str(eye())], tree.root) == 0
    figure = tree.root / "build" / "features" / "my cat.png"
    assert capsys.readouterr().out == f"{figure}\n"
    with Image.open(figure) as image:
        assert image.width > image.height > 1000  # 8 channels beside the picture, 5 stages below one another
        assert len(image.convert("RGB").getcolors(image.width * image.height)) > 50
    other = tree.root / "deep" / "other.png"
    assert main(["features", str(eye()), "--channels", "1", "--out", str(other)], tree.root) == 0 and other.exists()


def test_it_is_drawn_from_the_last_output_of_each_stage_and_the_likeliest_labels(eye, tree: Tree, monkeypatch):
    drawn = []
    monkeypatch.setattr(feature_figure, "draw", lambda *arguments: drawn.append(arguments))
    assert main(["features", str(eye()), "--channels", "3"], tree.root) == 0
    [(title, picture, guesses, maps, channels, _)] = drawn
    assert title == "my cat.jpg, as 07_seven sees it (weights cifar10)" and channels == 3
    assert [label for label, _ in guesses] == [LABELS[index] for index in (1, 4, 3, 5, 0)]
    assert list(maps) == ["stem", "layer1", "layer2", "layer3", "layer4"]
    for number, output in enumerate(maps.values(), 1):
        assert output.shape == (4, 6, 5 * number) and (output == number).all()
    assert np.allclose(picture, [0.75, 0.75, 1.0])  # 0.5 * std + mean, the blue of 2 cut to 1


def test_the_strongest_channel_has_the_largest_mean_absolute_activation():
    output = np.zeros((2, 2, 4))
    output[0, 0, 1], output[:, :, 2], output[:, :, 3] = 9.0, -5.0, 1.0
    assert strongest(output, 3).tolist() == [2, 1, 3]
    assert strongest(output, 9).tolist() == [2, 1, 3, 0]


def test_a_stage_with_fewer_channels_than_asked_for_shows_all_of_them(tmp_path: Path):
    maps = {stage: np.ones((3, 3, 2)) for stage in module.STAGES} | {"layer4": np.zeros((1, 1, 40))}
    feature_figure.draw("$x", np.zeros((2, 2, 3)), [("a $label", 1.0), ("ж" * 99, 0.0)], maps, 4, tmp_path / "f.png")
    assert (tmp_path / "f.png").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"logits": [0.0, 1.0]}, "07_seven gave logits of shape (2,) for 6 labels"),
        ({"logits": [float("nan")] * 6}, "my cat.jpg: the network's output is not finite"),
        ({"die": True}, "07_seven failed: (no word on stderr)"),
    ],
)
def test_a_version_that_fails_gives_code_2(settings: dict[str, object], words: str, eye, tree: Tree, capsys):
    assert main(["features", str(eye(**settings))], tree.root) == 2
    err = capsys.readouterr().err
    assert words in err and "Traceback" not in err


def test_a_picture_that_the_version_refuses_gives_code_2_and_its_sentence(eye, tree: Tree, capsys):
    eye().write_text("text")
    assert main(["features", str(tree.root / "my cat.jpg")], tree.root) == 2
    assert capsys.readouterr().err.endswith(f"ladder: {tree.root}/my cat.jpg: not a picture\n")
    assert not (tree.root / "build" / "features").exists()


def test_the_last_word_of_a_version_that_breaks_is_told(tree: Tree, fake):
    python = fake("07_seven", {})
    write(python.parent / "resnet50" / "__init__.py", "raise LookupError('no such thing')\n")
    with pytest.raises(LadderError, match="07_seven failed: LookupError: no such thing"):
        see("07_seven", python, tree.root, tree.root / "cat.jpg")


@pytest.mark.parametrize("arguments", [["--channels", "0"], ["--channels", "33"], ["--out", "maps.pdf"]])
def test_what_cannot_be_drawn_is_refused_in_a_line(arguments: list[str], tree: Tree, capsys):
    with pytest.raises(SystemExit) as end:
        main(["features", "cat.jpg", *arguments], tree.root)
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1
