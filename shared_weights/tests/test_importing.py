"""`import`: what becomes of a network and of what is said about it, and that a version has run it; and its refusals."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fuzzing.torch_files import zipped
from ladder.core import environment
from shared_weights import importing, sets
from shared_weights.__main__ import main

State = dict[str, np.ndarray]
Save = Callable[[bytes], Path]

# What stands in for a version: its logits are the network's fc.bias, once its preprocess.json has a filter.
FAKE = """
import json, pathlib, sys
from safetensors.numpy import load_file
folder = pathlib.Path(sys.argv[sys.argv.index("--weights") + 1])
if json.loads((folder / "preprocess.json").read_text())["filter"] != "bilinear":
    sys.exit(f"resnet50: {folder / 'preprocess.json'}: no such filter")
logits = load_file(folder / "weights.safetensors")["fc.bias"].tolist()
print(json.dumps({"load_seconds": 0.1}), flush=True)
for line in sys.stdin:
    logits = logits if logits[0] < 9 else [float("nan")] * 3
    print(json.dumps({"seconds": 0.1, "peak_memory": None, "logits": logits}), flush=True)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for sets, with labels.txt; the version that runs them is the fake."""
    (tmp_path / "version" / "resnet50").mkdir(parents=True)
    (tmp_path / "version" / "resnet50" / "__main__.py").write_text(FAKE)
    python = tmp_path / "version" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(tmp_path / "version"))} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(environment, "python", lambda version: python)
    monkeypatch.setattr(sets, "HERE", tmp_path)
    monkeypatch.setattr(sets, "IMPORTED", tmp_path / "imported")
    (tmp_path / "labels.txt").write_text("cat\ndog\nhorse\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(state: State, save: Save) -> Path:
    """A checkpoint of three classes, in float16, whose likeliest answer is the second."""
    halves = {name: values.astype(np.float16) for name, values in state.items()}
    return save(zipped({"model": halves | {"fc.bias": np.array([0, 2, 0], np.float16)}}))


def made(home: Path) -> list[str]:
    """The names of the sets that were imported; nothing else may be left there."""
    return sorted(path.name for path in (home / "imported").iterdir()) if (home / "imported").exists() else []


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line with which the command refuses."""
    assert main(["import", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith(" ...")]
    assert len(lines) == 1 and lines[0].startswith("shared_weights: ")
    return lines[0]


def test_a_network_becomes_a_set_that_a_version_has_run(home: Path, model: Path, state: State, capsys):
    assert main(["import", "model.pth", "--labels", "labels.txt"]) == 0
    out = capsys.readouterr().out
    for word in ("imported/model: 3 classes from model.pth (model), F16, now F32", "v1.5", "as for ImageNet",
                 "chelsea.png is dog (78.7 %)",
                 "nox -s classify -- --weights model"):  # fmt: skip
        assert word in out
    folder = sets.find("model")
    assert folder == home / "imported" / "model" and made(home) == ["model"]
    found = sets.from_bytes((folder / "weights.safetensors").read_bytes())
    assert found.keys() == state.keys() and all(values.dtype == np.float32 for values in found.values())
    np.testing.assert_array_equal(found["conv1.weight"], state["conv1.weight"].astype(np.float16).astype(np.float32))
    assert (folder / "labels.txt").read_text() == "cat\ndog\nhorse\n"
    assert json.loads((folder / "preprocess.json").read_text()) == {
        "steps": [["resize_shorter", 256], ["center_crop", 224]],
        "filter": "bilinear",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }


def test_name_size_mean_and_std_are_as_given(home: Path, model: Path, capsys: pytest.CaptureFixture[str]):
    numbers = ["--mean", "0.5", "0.5", "0", "--std", "1", "0.5", "1", "--size", "64"]
    assert main(["import", "model.pth", "--labels", "labels.txt", "--name", "my.own_1", *numbers]) == 0
    assert "as for ImageNet" not in capsys.readouterr().out
    assert json.loads((sets.find("my.own_1") / "preprocess.json").read_text()) == {
        "steps": [["resize_shorter", 73], ["center_crop", 64]],
        "filter": "bilinear",
        "mean": [0.5, 0.5, 0],
        "std": [1, 0.5, 1],
    }


def test_a_preprocess_json_is_taken_as_it_is(home: Path, model: Path):
    (home / "rules.json").write_text('{"filter": "bilinear"}')
    assert main(["import", "model.pth", "--labels", "labels.txt", "--preprocess", "rules.json"]) == 0
    assert (sets.find("model") / "preprocess.json").read_text() == '{"filter": "bilinear"}'


def test_labels_keep_their_bytes(home: Path, model: Path):
    (home / "labels.txt").write_bytes(b"\xef\xbb\xbfK\xc3\xa4tzchen\r\ndog\r\nhorse")
    assert main(["import", "model.pth", "--labels", "labels.txt"]) == 0
    assert (sets.find("model") / "labels.txt").read_bytes() == (home / "labels.txt").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.pth", "--labels", "labels.txt"], "none.pth: No such file or directory"),
        (["model.pth", "--labels", "none.txt"], "none.txt: No such file or directory"),
        (["model.pth", "--labels", "two.txt"], "two.txt: has 2 lines, and the network has 3 classes"),
        (["model.pth", "--labels", "latin.txt"], "latin.txt: is not text in UTF-8"),
        (["model.pth", "--labels", "."], ".: it is not a file"),
        (["labels.txt", "--labels", "labels.txt"], "labels.txt: can't be imported: it is neither"),
        (["model.pth", "--labels", "labels.txt", "--name", "cifar10"], "cifar10 is one of the repository's own sets"),
        (["model.pth", "--labels", "labels.txt", "--name", "../up"], "'../up' can't be a set's name"),
        (["model.pth", "--labels", "labels.txt", "--name", ".."], "'..' can't be a set's name"),
        (["model.pth", "--labels", "labels.txt", "--preprocess", "none"], "none: No such file or directory"),
        (["model.pth", "--labels", "labels.txt", "--preprocess", "rules.json"], "preprocess.json: no such filter"),
        (["model.pth", "--labels", "labels.txt", "--preprocess", "rules.json", "--size", "64"], "one or the other"),
        (["model.pth", "--labels", "labels.txt", "--version", "nonsense"], "there is no version 'nonsense'"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line_and_no_set_is_made(
    arguments: list[str], complaint: str, home: Path, model: Path, capsys: pytest.CaptureFixture[str]
):
    (home / "two.txt").write_text("cat\ndog\n")
    (home / "latin.txt").write_bytes(b"K\xe4tzchen\ndog\nhorse\n")
    (home / "rules.json").write_text('{"filter": "none"}')
    assert complaint in refusal(arguments, capsys)
    assert made(home) == []


def test_a_set_that_is_there_is_not_overwritten(home: Path, model: Path, capsys: pytest.CaptureFixture[str]):
    (home / "imported" / "model").mkdir(parents=True)
    assert "there is a set model already" in refusal(["model.pth", "--labels", "labels.txt"], capsys)
    assert list((home / "imported" / "model").iterdir()) == []


def test_a_network_whose_output_is_not_finite_is_refused(home: Path, state: State, save: Save, capsys):
    path = save(zipped(state | {"fc.bias": np.full(3, 10, np.float32)}))
    assert "not a finite number for each class" in refusal([str(path), "--labels", "labels.txt"], capsys)
    assert made(home) == []


def test_a_label_that_steers_a_terminal_is_written_out(home: Path, model: Path, capsys: pytest.CaptureFixture[str]):
    (home / "labels.txt").write_text("cat\n\x1b[1mdog\nhorse\n")
    assert main(["import", "model.pth", "--labels", "labels.txt"]) == 0
    assert "\\x1b[1mdog" in capsys.readouterr().out


def test_an_imported_set_is_found_by_its_name_and_nothing_else_is(home: Path, model: Path):
    assert main(["import", "model.pth", "--labels", "labels.txt"]) == 0
    for name in ("", ".", "..", "mode", "imported"):
        with pytest.raises(sets.WeightSetError):
            sets.find(name)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "MODEL"),
        (["model.pth"], "--labels"),
        (["model.pth", "--labels", "", "--size", "31"], "an empty name"),
        (["model.pth", "--labels", "x", "--size", "31"], "from 32 to 1024"),
        (["model.pth", "--labels", "x", "--mean", "1", "2"], "--mean"),
        (["model.pth", "--labels", "x", "--std", "1", "2", "nan"], "'nan' is not a number"),
        (["model.pth", "--labels", "x", "--std", "1", "2", "1e999"], "'1e999' is not a number"),
    ],
)
def test_a_wrong_command_line_gives_one_line_and_exit_code_2(arguments: list[str], complaint: str, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["import", *arguments])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_the_picture_that_is_looked_at_is_there():
    assert importing.WITNESS.is_file()


def test_a_set_that_another_process_has_made_meanwhile_is_left_as_it_is(home: Path, model: Path, monkeypatch, capsys):
    def slow(version: object, folder: Path, labels: list[str]) -> str:
        (home / "imported" / "model").mkdir()
        (home / "imported" / "model" / "labels.txt").write_text("theirs\n")
        return "cat"

    monkeypatch.setattr(importing, "run_once", slow)
    assert "another process has made it" in refusal(["model.pth", "--labels", "labels.txt"], capsys)
    assert made(home) == ["model"] and (home / "imported" / "model" / "labels.txt").read_text() == "theirs\n"
