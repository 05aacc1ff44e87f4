"""Training: the same seed gives the same weights, and an interruption changes nothing."""

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import mnist.train
from mnist import cli
from mnist.data import Parts
from mnist.errors import CheckpointError, MnistError, OutputError
from mnist.files import write
from mnist.layers import Array
from mnist.network import SHAPES, Parameters
from mnist.optimizers import OPTIMIZERS, Optimizer
from mnist.run import Options, Run, resumed
from mnist.shards import ShardedNetwork
from mnist.tests.conftest import ROOT, command
from mnist.train import train
from mnist.weights import load_parameters, load_tensors, save_tensors

QUIET = Console(file=io.StringIO())
OPTIONS = Options(epochs=2, batch=100)


@pytest.fixture
def tiny(small: Parts) -> Parts:
    return Parts(small.train[:330], small.validation[:100], small.test[:100])


def same(one: Run, other: Run) -> bool:
    """Whether two runs are equal to the last bit, in all arrays and in everything measured but the time."""
    groups = [
        (one.parameters, other.parameters),
        (one.best, other.best),
        (one.optimizer.state, other.optimizer.state),
    ]
    measured = [[replace(epoch, seconds=0) for epoch in run.epochs] for run in (one, other)]
    return measured[0] == measured[1] and all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a) for a, b in groups
    )


def finished(parts: Parts, options: Options = OPTIONS, threads: int = 2) -> Run:
    run = Run.begin(options, "")
    train(run, parts, QUIET, threads=threads)
    return run


def test_the_same_seed_gives_the_same_weights_on_any_number_of_threads(tiny: Parts) -> None:
    assert same(finished(tiny), finished(tiny, threads=1))
    assert not same(finished(tiny), finished(tiny, replace(OPTIONS, seed=1)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 4, 6])  # of 8: in the first epoch, at its end, in the second
def test_an_interrupted_run_continues_bit_for_bit(
    tiny: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, steps: int
) -> None:
    options = replace(OPTIONS, optimizer=optimizer)
    step = Optimizer.step

    def step_and_press(self: Optimizer, *arguments: object) -> None:
        step(self, *arguments)  # type: ignore[arg-type]
        if self.steps == steps:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Optimizer, "step", step_and_press)
        with pytest.raises(KeyboardInterrupt):
            train(Run.begin(options, ""), tiny, QUIET, tmp_path)
    run = resumed(tmp_path / "checkpoint.safetensors", {}, "")
    assert run.optimizer.steps == steps
    train(run, tiny, QUIET, tmp_path)
    assert same(run, finished(tiny, options))


def test_a_checkpoint_holds_the_whole_run(tiny: Parts, tmp_path: Path) -> None:
    run = finished(tiny)
    run.parameters["conv1.bias"] += 1  # so that they are not the best ones
    run.batches, run.loss, run.right, run.seconds = 3, 0.1, 7, 0.7
    run.save(tmp_path / "run.safetensors")
    loaded = Run.load(tmp_path / "run.safetensors")
    assert same(run, loaded)
    assert (loaded.options, loaded.digits, loaded.optimizer.steps) == (run.options, run.digits, 8)
    assert (loaded.batches, loaded.loss, loaded.right, loaded.seconds) == (3, 0.1, 7, 0.7)


def test_no_two_batches_have_the_same_dropout_masks_or_digits(tiny: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds, batches = [], []
    gradients = ShardedNetwork.gradients

    def record(self: ShardedNetwork, images: Array, labels: Array, seed: tuple[int, ...]) -> object:
        seeds.append(seed)
        batches.append(images)
        return gradients(self, images, labels, seed)

    monkeypatch.setattr(ShardedNetwork, "gradients", record)
    finished(tiny, replace(OPTIONS, copies=False))
    assert len(set(seeds)) == len(seeds) == 8
    epochs = [np.concatenate(batches[:4]), np.concatenate(batches[4:])]
    assert not np.array_equal(epochs[0], epochs[1])  # another order in each epoch
    every = [sorted(image.tobytes() for image in epoch) for epoch in (*epochs, tiny.train.images)]
    assert every[0] == every[1] == every[2]  # of all the digits, each once
    batches.clear()
    finished(tiny)
    copies = np.concatenate(batches)
    assert len({image.tobytes() for image in (*copies, *tiny.train.images)}) == 3 * len(tiny.train)  # never one twice


def test_the_best_weights_are_those_of_the_best_validation(tiny: Parts, tmp_path: Path) -> None:
    run = Run.begin(replace(OPTIONS, epochs=4), "")
    train(run, tiny, QUIET, tmp_path)
    best = max(run.epochs, key=lambda epoch: (epoch.validation_accuracy, -epoch.validation_loss))
    weights, about = load_parameters(tmp_path / "weights.safetensors")
    assert about["validation_accuracy"] == best.validation_accuracy
    assert all(np.array_equal(weights[name], run.best[name]) for name in SHAPES)


def test_a_loss_that_is_not_finite_ends_the_run(tiny: Parts) -> None:
    with pytest.raises(MnistError, match="smaller --learning-rate"):
        finished(tiny, replace(OPTIONS, learning_rate=1e30))


def test_resume_rejects_another_run(tiny: Parts, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    with pytest.raises(CheckpointError, match="no run to resume"):
        resumed(file, {}, "")
    Run.begin(OPTIONS, "these digits").save(file)
    with pytest.raises(CheckpointError, match="with batch 100, not 64"):
        resumed(file, {"epochs": 2, "batch": 64}, "these digits")
    with pytest.raises(CheckpointError, match="other digits"):
        resumed(file, {}, "those digits")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        resumed(file, {}, "these digits")


def test_a_finished_run_is_prolonged(tiny: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of four batches, then two more: the optimiser's memory stays, the rate falls to 0 at the new end."""
    run = Run.begin(OPTIONS, "")
    train(run, tiny, QUIET, tmp_path)
    longer = resumed(tmp_path / "checkpoint.safetensors", {"epochs": 4}, "")
    assert same(longer, run)
    paces = []
    step = Optimizer.step

    def record(self: Optimizer, gradients: Parameters, pace: float) -> None:
        paces.append(pace)
        step(self, gradients, pace)

    monkeypatch.setattr(Optimizer, "step", record)
    train(longer, tiny, QUIET, tmp_path)
    assert paces == [1 - steps / 16 for steps in range(8, 16)]
    assert (len(longer.epochs), longer.epochs[:2]) == (4, run.epochs)
    with pytest.raises(CheckpointError, match="is already in epoch 4: it cannot end after 3"):
        resumed(tmp_path / "checkpoint.safetensors", {"epochs": 3}, "")


def test_a_checkpoint_with_other_options_than_todays_is_rejected(tmp_path: Path) -> None:
    """One that knows nothing of copies was made without them, and must not continue with them."""
    file = tmp_path / "checkpoint.safetensors"
    Run.begin(OPTIONS, "").save(file)
    tensors, about = load_tensors(file)
    del about["options"]["copies"]
    save_tensors(file, tensors, about)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        resumed(file, {}, "")


PRESSED_TWICE = {"in a batch": (Optimizer, "step"), "while saving": (os, "replace"), "before": (mnist.train, "sharded")}


@pytest.mark.parametrize("moment", PRESSED_TWICE)
def test_ctrl_c_twice_promises_only_what_resume_keeps(
    idx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, moment: str
) -> None:
    owner, name = PRESSED_TWICE[moment]
    function, out = getattr(owner, name), tmp_path / "out"
    arguments = ["mnist", "train", "--data", str(idx_folder), "--epochs", "1", "--batch", "300", "--out", str(out)]

    def press_twice(*given: object, **named: object) -> object:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return function(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, press_twice)
        patch.setattr(sys, "argv", arguments)
        assert cli.main() == 130
    output = capsys.readouterr().out
    assert ("continues it" in output, "nothing was saved yet" in output) == ((moment != "before"), moment == "before")
    assert (out / "checkpoint.safetensors").exists() == (moment != "before")
    assert not list(out.glob("*.part"))
    if moment != "before":
        monkeypatch.setattr(sys, "argv", [*arguments, "--resume"])
        assert cli.main() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for the size of a file")
def test_a_full_disk_is_noticed_before_the_first_epoch(idx_folder: Path, tmp_path: Path) -> None:
    """A limit of 100 kB per file stands in for the full disk: writing fails halfway, as it does there."""
    code = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "runpy.run_module('mnist', run_name='__main__')"
    )
    arguments = [sys.executable, "-c", code, "train", "--data", idx_folder, "--out", tmp_path / "out"]
    done = subprocess.run(list(map(str, arguments)), cwd=ROOT, capture_output=True, text=True)
    file = tmp_path / "out" / "checkpoint.safetensors"
    assert (done.returncode, done.stderr) == (2, f"{file} cannot be written: File too large\n")
    assert "epoch 1" not in done.stdout
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kept", [True, False])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    def full(source: Path, target: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "folder" / "weights"
    if kept:
        write(file, b"old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=rf"{file} cannot be written: No space left on device"):
        write(file, b"new")
    assert [path.name for path in file.parent.iterdir()] == ["weights"] * kept
    assert not kept or file.read_bytes() == b"old"


def test_train_draws_and_prints_its_table_as_evaluate_does(
    mnist: Callable[..., subprocess.CompletedProcess], idx_folder: Path, tmp_path: Path
) -> None:
    done = mnist("train", "--data", idx_folder, "--out", tmp_path, "--epochs", 2, "--batch", 50)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("epoch 2: loss")]
    assert [line for line in done.stdout.splitlines() if "test" in line and " 200 " in line and "%" in line]
    for name in ("curves", "confusion", "mistakes", "filters", "feature_maps"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20  # something is drawn
    assert load_parameters(tmp_path / "weights.safetensors")[0].keys() == SHAPES.keys()
    judged = mnist("evaluate", "--data", idx_folder, "--out", tmp_path, "--weights", tmp_path / "weights.safetensors")
    table = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert table == [line for line in judged.stdout.splitlines() if line.startswith("│")]
    assert judged.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_exits_with_130_and_leaves_a_checkpoint(idx_folder: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", idx_folder, "--epochs", 40, "--batch", 50, "--out"]
    process = subprocess.Popen(
        command(*arguments, tmp_path / "a"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    while not process.stdout.readline().startswith("epoch 1:"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
    assert "--resume" in output
    saved = load_tensors(tmp_path / "a" / "checkpoint.safetensors")[1]
    assert 1 <= len(saved["epochs"]) < 40


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_training_takes_less_than_1_gb(tmp_path: Path) -> None:
    code = "import mnist.cli as m; m.main(); print(open('/proc/self/status').read())"
    arguments = ["train", "--epochs", "1", "--batch", "1024", "--threads", "4", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    kilobytes = int(done.stdout.partition("VmHWM:")[2].split()[0])
    assert kilobytes * 1024 < 1e9
