"""The profile of a version: its rows, their sums, its plot, and its complaint where they are not the whole."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ladder.__main__ import main
from ladder.layers import profile as module
from ladder.layers.profile_text import milliseconds, short
from ladder.machine.bandwidth import Bandwidth
from ladder.machine.peak import Peak
from shared_weights.architecture import layers

from .conftest import Tree, write

PEAK, MEMORY = 1e12, 1e10  # operations and bytes in a second, for each core
COUNT = len(layers())

# A version that tells of the layers in layers.json with the seconds that stand there, the first time with a hundred
# times as many. Its clock goes on only while it runs without on_layer: by the seconds in whole.json, in turn.
FAKE = """
import itertools, json, pathlib, time
here = pathlib.Path(__file__)
told, whole = (json.loads(here.with_name(name).read_text()) for name in ("layers.json", "whole.json"))
waits, factors, now = itertools.cycle(whole), itertools.chain([100], itertools.repeat(1)), 0.0
time.perf_counter = lambda: now
class Output:
    def __init__(self, shape):
        self.shape = shape
class Logits:
    def tolist(self):
        return [0.0]
class ResNet50:
    def __init__(self, weights):
        if whole == "refuse":
            raise ValueError("weights.safetensors: truncated")
    def run(self, image, on_layer=None):
        global now
        if on_layer is None:
            now += next(waits)
        elif told == "die":
            raise SystemExit(7)
        else:
            factor = next(factors)
            for name, shape, seconds in told:
                on_layer(name, Output(shape), factor * seconds)
        return Logits()
"""
WHOLE = COUNT * 1e-4  # seconds of an inference whose layers take 0.1 ms each


class Steady(Peak):
    """The peak PEAK; Ctrl-C is pressed when it is asked for the n-th time."""

    interrupted_at: int | None = None

    def measure(self) -> None:
        if len(self.flops.get(self.threads[0], {}).get("A", [])) == self.interrupted_at:
            raise KeyboardInterrupt
        for count in self.threads:
            self.flops.setdefault(count, {}).setdefault("A", []).append(count * PEAK)


class Copy(Bandwidth):
    """The bandwidth MEMORY, at once."""

    def measure(self) -> None:
        for count in self.threads:
            self.rates.setdefault(count, []).append(count * MEMORY)


@pytest.fixture
def steady(monkeypatch) -> Steady:
    """Stands in for the processor and its memory."""
    peak = Steady({})
    monkeypatch.setattr(module, "find_peak", lambda folder, int8: (peak, ""))
    monkeypatch.setattr(module, "Bandwidth", Copy)
    return peak


@pytest.fixture
def machine(fake, steady, weight_set: Path, monkeypatch) -> Callable[..., None]:
    """Adds versions whose layers take 0.1 ms each, or what is given for one, and whose whole takes as long as asked."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(module.weights, "find", lambda name: weight_set if name == "synthetic" else None)

    def add(name: str, whole: object = (WHOLE,), told: object = None, size: int = 224, **ladder: object) -> None:
        home = fake(name, {}, **ladder).parent / "resnet50"
        write(home / "__init__.py", FAKE)
        known = [(layer.name, layer.output, 1e-4) for layer in layers(size, size)]
        write(home / "layers.json", json.dumps(known if told is None else told))
        write(home / "whole.json", json.dumps(whole))

    return add


def results(tree: Tree, name: str) -> dict:
    """What was written beside the plot."""
    return json.loads((tree.root / "build" / "profile" / f"{name}.json").read_text())


def table(out: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in out.splitlines()]


def test_every_layer_has_a_row_and_every_stage_a_sum(machine, tree: Tree, capsys):
    machine("07_seven")
    assert main(["profile", "07", "--rounds", "3"], tree.root) == 0
    out = capsys.readouterr().out
    lines = table(out)
    names = [line[0] for line in lines if line]
    assert [name for name in names if name in {layer.name for layer in layers()}] == [layer.name for layer in layers()]
    # 118 M multiply-adds in 0.1 ms; 3.85 MB at 10 GB/s take longer than the operations at the peak
    assert ["conv1", "conv", "7x7", "112x112x64", "0.100", "0.6", "2360", "236", "3.85", "0.39"] in lines
    assert ["head", "0.200", "1.1"] in [line[:3] for line in lines]
    assert ["layer1.0.downsample.1", "batch", "norm", "56x56x256"] in [line[:4] for line in lines]
    assert ["total", f"{COUNT / 10:.3f}", "100"] in [line[:3] for line in lines]
    assert ["batch", "norm", "5.300"] in [line[:3] for line in lines]  # 53 of them, in the sums by kind
    assert max(map(len, out.splitlines()[:-2])) <= 80 and "…" not in out  # the last two are paths
    assert f"Roofline plot: {tree.root}/build/profile/07_seven.png" in out


def test_the_files_hold_what_was_measured(machine, tree: Tree, capsys):
    machine("07_seven")
    assert main(["profile", "07", "--rounds", "5", "--json"], tree.root) == 0
    found = results(tree, "07_seven")
    assert json.loads(capsys.readouterr().out) == found
    assert (found["size"], found["interrupted"]) == (224, False)
    [version] = found["versions"]
    assert len(version["whole"]) == 5 and version["untold"] == []
    assert version["rows_seconds"] == pytest.approx(WHOLE) and version["apart"] == pytest.approx(0)
    assert version["peak"] == PEAK and version["bandwidth"] == MEMORY
    with Image.open(tree.root / "build" / "profile" / "07_seven.png") as plot:
        assert plot.width > 800 and len(plot.convert("RGB").getcolors(plot.width * plot.height)) > 50


def test_layers_that_are_not_the_whole_give_code_1(machine, tree: Tree, capsys):
    machine("07_seven", whole=[1.06 * WHOLE])
    assert main(["profile", "07", "--rounds", "2"], tree.root) == 1
    captured = capsys.readouterr()
    assert "07_seven: the whole takes 6.0 % more than its layers together, where 5 % is allowed\n" in captured.err
    assert f"the rows add up to {1e3 * WHOLE:.3f} ms" in " ".join(captured.out.split())
    machine("07_seven", whole=[0.94 * WHOLE])
    assert main(["profile", "07", "--rounds", "2"], tree.root) == 1
    assert "6.0 % less than its layers together, where 5 % is allowed\n" in capsys.readouterr().err


def test_a_noisy_machine_is_named_as_the_reason(machine, tree: Tree, capsys):
    machine("07_seven", whole=[1.5 * WHOLE, 2 * WHOLE])
    assert main(["profile", "07", "--rounds", "4"], tree.root) == 1
    assert "5 % is allowed; the machine was noisy: close other programs" in capsys.readouterr().err
    assert main(["profile", "07", "--rounds", "1"], tree.root) == 1
    assert "5 % is allowed; it was measured only once: close other programs" in capsys.readouterr().err


def test_two_versions_stand_side_by_side_with_their_ratio(machine, tree: Tree, capsys):
    machine("05_five")
    slower = [(layer.name, layer.output, 4e-4 if layer.name == "conv1" else 1e-4) for layer in layers()]
    machine("04_four", told=slower, whole=[WHOLE + 3e-4])
    out = tree.root / "deep" / "both.png"
    assert main(["profile", "04", "05", "--rounds", "2", "--out", str(out)], tree.root) == 0
    captured = capsys.readouterr().out
    lines = table(captured)
    assert ["conv1", "conv", "7x7", "112x112x64", "0.400", "0.100", "4.00"] in lines
    assert ["stem", "0.700", "0.400", "1.75"] in lines
    assert "ratio: 04_four's time over 05_five's." in captured
    assert max(map(len, captured.splitlines()[:-2])) <= 80
    versions = json.loads(out.with_suffix(".json").read_text())["versions"]
    assert [version["version"] for version in versions] == ["04_four", "05_five"] and out.exists()


def test_a_layer_that_only_one_version_tells_of_has_no_ratio(machine, tree: Tree, capsys):
    machine("08_eight")
    fused = [(layer.name, layer.output, 1e-4) for layer in layers() if layer.kind != "ReLU"]
    machine("09_nine", told=fused, whole=[len(fused) * 1e-4])
    assert main(["profile", "08", "09", "--rounds", "1"], tree.root) == 0
    out = capsys.readouterr().out
    assert ["relu", "ReLU", "112x112x64", "0.100", "-", "-"] in table(out)
    assert "09_nine does not report 49 layers: others do their work." in out


def test_a_version_that_fuses_layers_is_compared_step_by_step(machine, tree: Tree, capsys):
    """Each layer of the other one counts where its work is done."""
    machine("09_nine")
    ends = ("pool", "fc", "downsample.1", "relu1", "relu2", "relu3")
    last = [layer for layer in layers() if layer.name.endswith(ends)]
    machine("10_ten", told=[(layer.name, layer.output, 2e-4) for layer in last], whole=[len(last) * 2e-4], fuses=True)
    assert main(["profile", "09", "10", "--rounds", "1"], tree.root) == 0
    lines = table(capsys.readouterr().out)
    assert ["maxpool", "conv", "7x7", "56x56x64", "0.400", "0.200", "2.00"] in lines  # four layers
    assert ["layer1.0.downsample.1", "conv", "1x1", "56x56x256", "0.200", "0.200", "1.00"] in lines
    assert ["layer1.0.relu3", "conv", "1x1", "56x56x256", "0.400", "0.200", "2.00"] in lines
    assert not any(line[:1] in (["conv1"], ["layer1.0.add"]) for line in lines)
    assert results(tree, "09_nine-10_ten")["versions"][0]["rows_seconds"] == pytest.approx(WHOLE)


def test_a_version_with_threads_is_measured_against_as_many_cores(machine, tree: Tree):
    machine("08_eight", threads=True)
    machine("07_seven")
    assert main(["profile", "07", "08", "--threads", "3", "--rounds", "1"], tree.root) == 0
    versions = results(tree, "07_seven-08_eight")["versions"]
    assert [(one["threads"], one["peak"], one["bandwidth"]) for one in versions] == [
        (1, PEAK, MEMORY), (3, 3 * PEAK, 3 * MEMORY)
    ]  # fmt: skip


def test_a_slow_version_sees_a_small_picture_unless_asked(machine, tree: Tree, capsys):
    machine("01_one", slow=True, size=64)
    assert main(["profile", "01", "--rounds", "1"], tree.root) == 0
    assert results(tree, "01_one")["size"] == 64
    assert "01_one: slow, so the picture has 64 pixels each way" in capsys.readouterr().err
    machine("01_one", slow=True, size=96)
    assert main(["profile", "01", "--rounds", "1", "--size", "96"], tree.root) == 0
    assert results(tree, "01_one")["size"] == 96


def test_a_version_in_8_bit_integers_is_held_against_their_peak(machine, tree: Tree, capsys, monkeypatch):
    machine("07_seven", int8=True)
    monkeypatch.setattr(Steady, "best", lambda self, int8: {1: 4 * PEAK if int8 else PEAK})
    assert main(["profile", "07", "--rounds", "1"], tree.root) == 0
    [version] = results(tree, "07_seven")["versions"]
    assert version["int8"] and version["peak"] == 4 * PEAK
    out = " ".join(capsys.readouterr().out.split())
    assert "time GOP % of" in out and "GOP/s in 8-bit integers, memory" in out
    assert "weights in 8-bit integers, each once" in out


def test_without_a_peak_the_column_is_empty_and_memory_is_the_only_roof(machine, tree: Tree, capsys, monkeypatch):
    monkeypatch.setattr(module, "find_peak", lambda folder, int8: (Peak({}), "the peak is unknown: no compiler"))
    machine("03_three")
    assert main(["profile", "03", "--rounds", "1"], tree.root) == 0
    out = capsys.readouterr().out
    assert "The peak is unknown: no compiler." in out
    assert ["conv1", "conv", "7x7", "112x112x64", "0.100", "0.6", "2360", "-", "3.85", "0.39"] in table(out)
    assert (tree.root / "build" / "profile" / "03_three.png").exists()


def test_ctrl_c_shows_what_was_measured_or_says_that_there_is_nothing(machine, steady: Steady, tree: Tree, capsys):
    machine("07_seven")
    steady.interrupted_at = 2
    assert main(["profile", "07"], tree.root) == 130
    assert "interrupted after 2 rounds" in " ".join(capsys.readouterr().out.split())
    assert results(tree, "07_seven")["interrupted"]
    steady.flops.clear()
    steady.interrupted_at = 0
    assert main(["profile", "07"], tree.root) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and "interrupted before the end of the first round" in captured.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"told": [["conv9", [1, 1, 1], 0.1]]}, "reported conv9 (1, 1, 1), which is not a layer"),
        ({"told": [["fc", [999], 0.1]]}, "reported fc (999,), which is not a layer"),
        ({"told": [["fc", [1000], 0.1]] * 2}, "reported a layer twice"),
        ({"told": [["fc", 1000, 0.1]]}, "which is not the agreed JSON"),
        ({"told": "die"}, "ended with code 7"),
        ({"whole": "refuse"}, "07_seven: weights.safetensors: truncated"),
    ],
)
def test_a_version_that_fails_or_tells_nonsense_gives_code_2(settings, words: str, machine, tree: Tree, capsys):
    machine("07_seven", **settings)
    assert main(["profile", "07", "--rounds", "1"], tree.root) == 2
    err = capsys.readouterr().err
    assert words in err and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [["07", "--threads", "0"], ["07", "--out", "plot.pdf"], ["07", "--size", "31"], ["07", "--rounds", "0"]],
)
def test_what_cannot_be_is_refused_in_a_line(arguments: list[str], tree: Tree, capsys):
    with pytest.raises(SystemExit) as end:
        main(["profile", *arguments], tree.root)
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_one_or_two_versions_that_run_here(machine, tree: Tree, capsys):
    for name in ("02_two", "03_three", "04_four"):
        machine(name)
    machine("05_five", requires=["imaginary"])
    assert main(["profile", "02", "03", "04"], tree.root) == 2
    assert "one version or two side by side, not 3" in capsys.readouterr().err
    assert main(["profile", "02", "05"], tree.root) == 2
    assert "05_five is skipped: this processor lacks imaginary" in capsys.readouterr().err
    assert main(["profile", "2", "02_two", "--rounds", "1"], tree.root) == 0  # twice the same is one


def test_numbers_keep_to_their_columns():
    expected = {0.004: "0.00", 3.849: "3.85", 38.49: "38.5", 384.9: "385", 12345.6: "12346"}
    assert {value: short(value, 2) for value in expected} == expected
    assert milliseconds(0.0123456, 0.05) == "12.346" and milliseconds(0.0123456, 0.5) == "12.35"
    assert milliseconds(12.3456, 12.3456) == "12345.6"
