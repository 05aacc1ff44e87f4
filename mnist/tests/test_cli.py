"""The command line: help, and one line on stderr with exit code 2 for wrong options and wrong weights."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from safetensors.numpy import save_file

import mnist.cli as command_line
from mnist.doubt import Limits
from mnist.errors import WeightsError
from mnist.network import Network, Parameters
from mnist.tests.conftest import ROOT
from mnist.weights import SHIPPED, load_parameters

Mnist = Callable[..., subprocess.CompletedProcess]


def test_every_command_has_help(mnist: Mnist) -> None:
    help_text = mnist("--help").stdout
    for name in ("train", "evaluate", "predict", "dropout", "bench"):
        assert f"\n    {name} " in help_text
        assert mnist(name, "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required"),
        (("learn",), "invalid choice"),
        (("train", "--new\nline"), "unrecognized arguments: --new line"),
        (("train", "--epochs", "0"), "'0' is not a whole number from 1 to"),
        (("train", "--batch", "-3"), "'-3' is not a whole number"),
        (("train", "--seed", "x"), "'x' is not a whole number"),
        (("train", "--learning-rate", "nan"), "'nan' is not a number above 0"),
        (("train", "--optimizer", "adagrad"), "invalid choice"),
        (("train", "--data", "nowhere"), "nowhere is not a folder"),
        (("train", "--data", "x", "--download"), "not allowed with"),
        (("train", "--out", "mnist/__init__.py"), "__init__.py"),
        (("train", "--resume", "--out", "nowhere"), "no run to resume"),
        (("predict",), "required"),
        (("predict", "x.png", "--weights", "nothing.safetensors"), "nothing.safetensors: there is no such file"),
        (("evaluate", "--weights", "mnist/README.md"), "not a readable safetensors file"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(mnist: Mnist, arguments: tuple[str, ...], message: str) -> None:
    done = mnist(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_bench_without_torch_says_what_is_missing(mnist: Mnist) -> None:
    done = mnist("bench")
    assert done.returncode == 2
    assert "PyTorch" in done.stderr


def changed(change: Callable[[Parameters], object]) -> Parameters:
    parameters, _ = load_parameters(SHIPPED)
    change(parameters)
    return parameters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("conv1.bias"), "missing or unexpected: conv1.bias"),
        (lambda p: p.update(extra=np.zeros(1, np.float32)), "missing or unexpected: extra"),
        (lambda p: p.update({"conv2.weight": np.zeros((64, 16, 3, 3), np.float32)}), r"not float32 \[64, 32, 3, 3\]"),
        (lambda p: p.update({"dense2.bias": np.zeros(10)}), "dense2.bias is float64"),
        (lambda p: p["conv1.weight"].__setitem__(0, np.nan), "conv1.weight holds values that are not finite"),
    ],
)
def test_weights_of_another_network_are_rejected(
    tmp_path: Path, change: Callable[[Parameters], object], message: str
) -> None:
    save_file(changed(change), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=message):
        load_parameters(tmp_path / "w.safetensors")


def test_too_little_memory_gives_one_line_and_code_2(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def predict(network: Network, limits: Limits, file: Path) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(command_line, "predict", predict)
    monkeypatch.setattr(sys, "argv", ["mnist", "predict", "x.png"])
    assert command_line.main() == 2
    assert capsys.readouterr().err == "not enough memory\n"


@pytest.mark.parametrize("keep", [0, 5, 300, 10_000])
def test_truncated_weights_are_rejected(tmp_path: Path, keep: int) -> None:
    (tmp_path / "w.safetensors").write_bytes(SHIPPED.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_parameters(tmp_path / "w.safetensors")


@pytest.mark.parametrize("about", ["[" * 10_000, "{"])
def test_weights_with_damaged_metadata_are_rejected(tmp_path: Path, about: str) -> None:
    save_file(load_parameters(SHIPPED)[0], tmp_path / "w.safetensors", {"about": about})
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_parameters(tmp_path / "w.safetensors")


def test_weights_that_are_far_too_large_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").touch()
    os.truncate(tmp_path / "w.safetensors", 3 << 30)  # zeros that take no space on the disk
    with pytest.raises(WeightsError, match="it has more than 67,108,864 bytes"):
        load_parameters(tmp_path / "w.safetensors")


def test_weights_of_a_type_that_numpy_lacks_are_rejected(tmp_path: Path) -> None:
    data = SHIPPED.read_bytes()
    length = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:length])
    header["dense2.bias"] |= {"dtype": "BF16", "shape": [20]}
    text = json.dumps(header).encode()
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[length:])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_parameters(tmp_path / "w.safetensors")


def test_the_bundled_weights_are_small_and_say_where_they_come_from() -> None:
    assert SHIPPED.stat().st_size < 2e6
    about = load_parameters(SHIPPED)[1]
    assert "8000 digits" in json.dumps(about)


HOOK = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with it ignored

class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            {action}

sys.meta_path.insert(0, Hook())
sys.argv = ["mnist", "train"]
runpy.run_module("mnist", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["numpy", "rich.console", "matplotlib.figure", "mnist.train"])
def test_ctrl_c_during_the_imports_ends_silently_with_130(module: str) -> None:
    code = HOOK.format(module=module, action="signal.raise_signal(signal.SIGINT)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_missing_package_is_named_in_one_line() -> None:
    code = HOOK.format(module="rich", action="raise ModuleNotFoundError(name='rich')")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rich is not installed; nox -s mnist -- train installs it\n"
