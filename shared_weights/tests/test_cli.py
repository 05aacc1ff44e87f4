"""`python -m shared_weights`: what it prints, and its one-line errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared_weights import sets
from shared_weights.__main__ import main
from shared_weights.synthetic import SHA256

from .conftest import ROOT


def test_it_runs_as_a_module():
    run = subprocess.run(
        [sys.executable, "-B", "-m", "shared_weights", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0
    for command in ("synthetic", "imagenet", "import", "quantise", "structure"):
        assert command in run.stdout


def test_synthetic_prints_the_file_and_its_hash(synthetic: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["synthetic"]) == 0
    assert capsys.readouterr().out == f"{synthetic / 'weights.safetensors'}: 102 MB, SHA-256 {SHA256}\n"


def test_structure_prints_the_whole_table_in_a_narrow_window(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["structure", "--size", "32"]) == 0
    out = capsys.readouterr().out
    assert "layer4.0.downsample.1" in out and "25,557,032" in out and "…" not in out


def test_structure_writes_the_drawing_and_the_onnx_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("onnx")
    svg, onnx = tmp_path / "network.svg", tmp_path / "network.onnx"
    assert main(["structure", "--svg", str(svg), "--onnx", str(onnx), "--weights", "cifar10"]) == 0
    assert svg.read_text().startswith("<?xml") and onnx.stat().st_size > 90_000_000
    assert sorted(tmp_path.iterdir()) == [onnx, svg]


def test_structure_writes_the_onnx_file_in_8_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("onnx")
    sizes = {}
    for form in ("qlinear", "qdq"):
        path = tmp_path / f"{form}.onnx"
        assert main(["structure", "--onnx", str(path), "--int8", form, "--weights", "cifar10"]) == 0
        sizes[form] = path.stat().st_size
    assert all(23_000_000 < size < 25_000_000 for size in sizes.values())  # 23.5 M weights, a byte each


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "COMMAND"),
        (["nonsense"], "nonsense"),
        (["synthetic", "--new\nline"], "--new line"),
        (["structure", "--size", "31"], "from 32 to 1024"),
        (["structure", "--size", "1025"], "from 32 to 1024"),
        (["structure", "--size", "²"], "from 32 to 1024"),
        (["structure", "--size", "-64"], "--size"),
        (["synthetic", "extra"], "extra"),
    ],
)
def test_a_wrong_command_line_gives_one_line_and_exit_code_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--svg", "missing/network.svg"], "missing/network.svg: No such file or directory"),
        (["--svg", "."], ".: Is a directory"),
        (["--onnx", "network.onnx", "--weights", "nonsense"], "nonsense: neither a weight set"),
        (["--int8"], "--int8 says how --onnx FILE is written"),
    ],
)
def test_a_file_that_cannot_be_written_or_read_gives_one_line_and_exit_code_2(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    if "--onnx" in arguments:
        pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    assert main(["structure", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"shared_weights: {complaint}")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_gives_exit_code_130_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sets, "find", interrupt)
    assert main(["synthetic"]) == 130
    assert capsys.readouterr().err == ""
