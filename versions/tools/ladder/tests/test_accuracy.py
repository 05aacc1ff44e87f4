"""Accuracy on labelled pictures: what is counted, the intervals, and what is said where something is wrong."""

from itertools import product
from math import comb
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.outputs import accuracy as module
from ladder.outputs import intervals

from .conftest import LABELS, Tree, write

CAT, DOG = [9.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 9.0, 2.0, 3.0, 4.0, 5.0]
NAN = [float("nan")] * 6


@pytest.fixture
def run(tree: Tree, fake, pics: Path, weight_set: Path, monkeypatch, capsys):
    """Runs `ladder accuracy` on four pictures of cats and dogs; returns exit code, stdout and stderr."""
    monkeypatch.setattr(module.weights, "find", lambda name: weight_set)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("cat/a.png", "cat/deeper/b.png", "dog/c.png", "dog/d.png", "dog/notes.txt", ".hidden/e.png"):
        write(tree.root / "test" / name, name)

    def run_with(*answers: dict[str, object], folder: str = "test") -> tuple[int, str, str]:
        names = [f"{number:02}_version" for number in range(1, len(answers) + 1)]
        for name, answer in zip(names, answers, strict=True):
            fake(name, answer)
        code = main(["accuracy", str(tree.root / folder), "--versions", *names], tree.root)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_with


RIGHT = {"a.png": CAT, "b.png": CAT, "c.png": DOG, "d.png": DOG}


def test_the_share_named_rightly_is_counted_with_its_interval(run):
    code, out, _ = run(RIGHT | {"d.png": CAT})
    assert code == 0 and "4 pictures" in out
    [row] = [line.split() for line in out.splitlines() if "01_version" in line]
    # Wilson's interval of 3 in 4; the dog in d.png comes last of six, so top 5 lacks it too.
    assert row == ["01_version", "75.00", "%", "30.06", "to", "95.44", "75.00", "%", "30.06", "to", "95.44"]


def test_the_five_likeliest_are_counted_too(run):
    _, out, _ = run(RIGHT | {"d.png": [9.0, 2.0, 1.0, 3.0, 4.0, 5.0]})
    assert "75.00 %" in out and "100.00 %" in out


def test_versions_are_compared_picture_by_picture_with_the_first(run):
    code, out, _ = run(RIGHT | {"a.png": DOG, "d.png": CAT}, RIGHT | {"c.png": CAT})
    assert code == 0
    assert "02_version against 01_version, picture by picture: +25.00 points (95 %: " in out
    assert "; 2 correct only by the former, 1 only by the latter\n" in out


def test_a_picture_that_a_version_refuses_counts_for_none_and_gives_code_2(run):
    code, out, err = run(RIGHT, RIGHT | {"a.png": "refuse"})
    assert code == 2 and "3 pictures" in out
    assert "ladder: 02_version: " in err and err.endswith("cat/a.png: not a picture\n")


def test_logits_that_are_not_finite_name_nothing(run):
    code, out, _ = run(RIGHT | {"a.png": NAN})
    assert code == 0 and "75.00 %" in out and "100.00 %" not in out


def test_the_newest_version_is_run_by_default(run, fake, tree: Tree, capsys):
    fake("01_old", {})
    fake("07_new", RIGHT)
    assert main(["accuracy", str(tree.root / "test")], tree.root) == 0
    assert "07_new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "folder", "complaint"),
    [
        ("", "missing", "missing: No such file or directory"),
        ("", "test/cat/a.png", "a.png: Not a directory"),
        ("", "test/cat/deeper", "deeper: there is no folder in it"),
        ("test/lion/a.png", "test", "lion: the weight set has no such label; its first is cat"),
        ("test/ship/notes.txt", "test", "ship: no picture is in this folder"),
    ],
)
def test_a_folder_that_is_not_one_of_classes_is_refused(change: str, folder: str, complaint: str, run, tree: Tree):
    if change:
        write(tree.root / change, "x")
    code, out, err = run(RIGHT, folder=folder)
    assert code == 2 and out == "" and err.startswith("ladder: ") and complaint in err and err.count("\n") == 1


def test_logits_of_another_number_of_classes_are_an_error(run):
    code, _, err = run(RIGHT | {"b.png": [1.0, 2.0]})
    assert code == 2 and "01_version gave logits of shape (2,) for 6 labels" in err


def test_a_set_of_few_classes_has_no_top_5(run, weight_set: Path):
    write(weight_set / "labels.txt", "\n".join(LABELS[:5]))
    _, out, _ = run({name: logits[:5] for name, logits in RIGHT.items()})
    assert "top 1" in out and "top 5" not in out


def test_wilsons_interval_covers_the_truth_in_95_of_100_cases():
    count = 60
    for share in (0.1, 0.5, 0.869):
        covered = sum(
            comb(count, hits) * share**hits * (1 - share) ** (count - hits)
            for hits in range(count + 1)
            if intervals.of_share(hits, count)[0] <= share <= intervals.of_share(hits, count)[1]
        )
        assert 0.92 < covered < 0.98  # exact sums over all outcomes, which are whole numbers: hence not just 0.95


def test_the_interval_of_a_difference_covers_the_truth_in_95_of_100_cases():
    count, gain, loss = 60, 0.06, 0.1
    covered = 0.0
    for gained, lost in product(range(count + 1), repeat=2):
        if gained + lost <= count:
            low, high = intervals.of_difference(gained, lost, count)
            ways = comb(count, gained) * comb(count - gained, lost)
            probability = ways * gain**gained * loss**lost * (1 - gain - loss) ** (count - gained - lost)
            covered += probability * (low <= gain - loss <= high)
    assert 0.92 < covered < 0.98


def test_intervals_stay_within_what_is_possible():
    assert intervals.of_share(0, 5)[0] == 0 and intervals.of_share(5, 5)[1] == 1
    assert intervals.of_difference(1, 0, 1)[1] == 1 and intervals.of_difference(0, 1, 1)[0] == -1
    low, high = intervals.of_difference(0, 0, 2000)
    assert low == -high < 0  # no difference was seen, and a small one is possible
