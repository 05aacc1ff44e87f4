"""The comparison with torchvision, with something in torchvision's place that needs no torch."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import shared_weights
from ladder.__main__ import main
from ladder.core import weights

from .conftest import Tree, write_golden

LOGITS = [10.0, 8.0, 6.0, 4.0, 2.0, 1.0]
NAMES = ("chelsea.png", "coin.png", "farm/horse.png", "chelsea.png@32")
RANDOM = [f"random {size}.npy" for size in ("32x32", "64x64", "65x97", "224x224")]
RIGHT = dict.fromkeys(("chelsea.png", "coin.png", "horse.png", "chelsea.png@32.npy", *RANDOM), LOGITS)


@pytest.fixture
def run(tree: Tree, fake, pics: Path, weight_set: Path, monkeypatch, capsys):
    """Runs `ladder reference` on one version; returns exit code, stdout and stderr."""
    written = []
    torchvision = SimpleNamespace(
        model=lambda folder: "a model",
        prepare=lambda path, folder: np.full((64, 64, 3), path.stat().st_size, dtype=np.float32),
        logits=lambda model, image: np.array(LOGITS),
        write_golden=lambda folder, pics: written.append(folder),
    )
    monkeypatch.setitem(sys.modules, "shared_weights.torch_reference", torchvision)
    monkeypatch.setattr(shared_weights, "torch_reference", torchvision, raising=False)
    monkeypatch.setattr(weights, "present", lambda names: [weight_set])
    write_golden(weight_set, dict.fromkeys(NAMES, LOGITS))

    def run_with(answers: dict[str, object], *arguments: str, **ladder: object) -> tuple[int, str, str]:
        fake("01_one", RIGHT | answers, **ladder)
        code = main(["reference", *arguments], tree.root)
        captured = capsys.readouterr()
        assert written == ([weight_set] if "--write" in arguments else [])
        return code, captured.out, captured.err

    return run_with


def test_a_right_version_passes_on_all_pictures_and_sizes(run):
    code, out, _ = run({})
    assert code == 0 and out.splitlines()[-2].split()[:3] == ["01_one", "8", "0.0e+00"]


@pytest.mark.parametrize("name", ["coin.png", "chelsea.png@32.npy", *RANDOM])
def test_one_wrong_answer_fails(run, name: str):
    code, _, err = run({name: [10.1, *LOGITS[1:]]})
    assert code == 1 and f"1.0e-02 away from torchvision on {name.removesuffix('.npy')}" in err


def test_a_slow_version_sees_one_small_picture(run):
    code, out, _ = run(dict.fromkeys(RIGHT, "die") | {"chelsea.png@32.npy": LOGITS}, slow=True)
    assert code == 0 and out.splitlines()[-2].split()[1] == "1"


def test_another_preparation_fails(run, pics: Path, monkeypatch):
    def other(path: Path, folder: Path) -> np.ndarray:
        return np.ones((64, 64, 3), np.float32)

    monkeypatch.setattr(shared_weights.torch_reference, "prepare", other)
    code, _, err = run({})
    assert code == 1 and "01_one prepares coin.png for cifar10 differently from torchvision" in err


def test_a_golden_file_that_torchvision_would_not_write_fails(run, weight_set: Path):
    # float64's rounding passes, float32's does not
    for error, expected in ((1e-14, 0), (1e-7, 1)):
        write_golden(weight_set, {name: [10.0 * (1 + error), *LOGITS[1:]] for name in NAMES})
        code, _, err = run({})
        assert code == expected and ("differs from torchvision's output here" in err) == bool(expected)


def test_golden_files_are_renewed_on_demand_only(run):
    assert run({}, "--write")[0] == 0


def test_without_torch_a_sentence_says_how_to_get_it(tree: Tree, monkeypatch, capsys):
    class NoTorch:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "shared_weights.torch_reference":
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.delitem(sys.modules, "shared_weights.torch_reference", raising=False)
    monkeypatch.delattr(shared_weights, "torch_reference", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    assert main(["reference"], tree.root) == 2
    assert "this needs torch: `nox -s reference` installs it" in capsys.readouterr().err
