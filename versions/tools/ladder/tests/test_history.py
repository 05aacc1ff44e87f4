"""The runs that are kept: what a new one replaces, which one a gain is taken from, and what makes it stale."""

import json
from pathlib import Path
from typing import Any

import pytest

from ladder.core.versions import discover
from ladder.timing import conditions, gains, history
from ladder.timing.gains import Gain

from .conftest import Tree, write

Times = dict[tuple[str, int], dict[int, float]]  # version, threads -> round -> seconds


@pytest.fixture(autouse=True)
def this_machine(monkeypatch) -> None:
    """A processor and a compiler with names of their own, here and for those who import this."""
    monkeypatch.setattr(history.processor, "name", lambda: "this one")
    monkeypatch.setattr(history.processor, "features", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(conditions, "compiler", lambda: "cc 1")


def keep(tree: Tree, name: str, times: Times, size: int = 64, busy: int = 0, **more: Any) -> Path:
    """Keep a run of the tree's versions, as they are now, in which they took such times."""
    digests = {version.name: conditions.sources(version) for version in discover(tree.root)}
    lines = [
        {
            "name": version,
            "threads": threads,
            "sources": digests[version],
            "rounds": list(seconds),
            "seconds": list(seconds.values()),
            "spread": 0.01,
        }
        for (version, threads), seconds in times.items()
    ]
    made = {"compiler": "cc 1", "variables": {}, "priority": "normal", "busy": busy}
    machine = {"name": "this one", "vectors": ["avx2"]}
    run = {"id": name, "size": size, "options": {"names": []}, "processor": machine, "conditions": made}
    return history.keep(tree.root, run | {"disturbed": False, "starts": [0], "versions": lines, "peers": []} | more)


@pytest.fixture
def three(tree: Tree) -> Tree:
    """Three versions."""
    for number, name in enumerate(("01_one", "02_two", "03_three")):
        previous = {"previous": f"0{number}_{('', 'one', 'two')[number]}"} if number else {}
        tree.version(name, {"src/a.py": f"a = {number}\n", "meson.build": "", "tests/test_a.py": ""}, **previous)
    return tree


def both(ratio: float, rounds: int = 6, later: str = "02_two", earlier: str = "01_one") -> Times:
    """Times of two versions with this ratio."""
    return {
        (earlier, 1): {number: ratio for number in range(rounds)},
        (later, 1): {number: 1.0 for number in range(rounds)},
    }


def gain(tree: Tree) -> list[tuple[str, str]]:
    """The gains of the second version over the first: figure, and why it is stale."""
    first, second, *_ = discover(tree.root)
    return [(found.figure, found.stale) for found in gains.read(tree.root).gains(first, second)]


def names(tree: Tree) -> list[str]:
    """The runs that are kept."""
    return [run["id"] for run in history.runs(tree.root)]


def test_an_exercise_leaves_the_other_figures(three: Tree):
    keep(three, "1", both(2.0) | both(1.0, later="03_three", earlier="02_two"))
    keep(three, "2", both(3.0))
    first, second, third = discover(three.root)
    found = gains.read(three.root)
    assert [one.figure for one in found.gains(first, second)] == ["3.00"]
    assert [one.figure for one in found.gains(second, third)] == ["1.00"]


def test_a_version_that_was_changed_has_a_stale_gain_until_it_is_changed_back(three: Tree):
    keep(three, "1", both(2.0))
    three.write("02_two/src/a.py", "a = 1.0\n")
    assert gain(three) == [("2.00", "02_two changed since")]
    keep(three, "2", both(4.0))
    assert gain(three) == [("4.00", "")]
    three.write("02_two/src/a.py", "a = 1\n")
    assert gain(three) == [("2.00", "")] and names(three) == ["2", "1"]


def test_a_readme_or_a_test_that_was_changed_makes_nothing_stale(three: Tree):
    keep(three, "1", both(2.0))
    for file in ("README.md", "pyproject.toml", "tests/test_a.py"):
        three.write(f"02_two/{file}", three.read(f"02_two/{file}") + "\n# more\n")
    assert gain(three) == [("2.00", "")]
    three.write("01_one/meson.build", "project('x')\n")
    assert gain(three) == [("2.00", "01_one changed since")]


def test_another_processor_compiler_or_setting_makes_it_stale(three: Tree, monkeypatch):
    keep(three, "1", both(2.0))
    monkeypatch.setattr(conditions, "compiler", lambda: "cc 2")
    monkeypatch.setenv("RESNET50_ISA", "avx2")
    assert gain(three) == [("2.00", "another compiler, other settings")]
    monkeypatch.setattr(history.processor, "name", lambda: "another")
    assert gain(three) == [("2.00", "another processor, another compiler, other settings")]


def test_a_processor_of_the_same_name_with_other_instructions_is_another(three: Tree, monkeypatch):
    keep(three, "1", both(2.0))
    monkeypatch.setattr(history.processor, "features", lambda: frozenset({"avx2", "avx512f"}))
    assert gain(three) == [("2.00", "another processor")]


def test_the_usual_size_comes_first_then_the_newest(three: Tree):
    keep(three, "1", both(2.0), size=224)
    keep(three, "2", both(3.0), size=224)
    keep(three, "3", both(4.0), size=64)
    assert gain(three) == [("3.00", "")]


def test_each_number_of_threads_has_the_newest_run_that_timed_it(three: Tree):
    more = {("02_two", 2): {number: 0.5 for number in range(6)}}
    keep(three, "1", both(2.0) | more)
    keep(three, "2", both(3.0))
    first, second, _ = discover(three.root)
    found = gains.read(three.root)
    assert [(one.threads, one.figure) for one in found.gains(first, second)] == [(1, "3.00"), (2, "4.00")]
    sentences = found.sentence(first, second).split(" Measured: ")
    assert len(sentences) == 2 and sentences[0].endswith("run 2.") and sentences[1].endswith("run 1.")


def test_a_run_replaces_those_of_which_it_measured_everything(three: Tree):
    keep(three, "1", both(2.0))
    keep(three, "2", both(2.0), size=224)
    keep(three, "3", both(2.0, rounds=5) | both(1.0, later="03_three", earlier="02_two"))
    assert names(three) == ["3", "2", "1"]  # of 01 it has too few rounds
    keep(three, "4", both(2.0) | both(1.0, later="03_three", earlier="02_two"))
    assert names(three) == ["4", "2"]


def test_gains_beside_busy_processes_or_of_disturbed_rounds_are_not_shown(three: Tree):
    keep(three, "1", both(2.0), busy=1)
    keep(three, "2", both(2.0), disturbed=True)
    keep(three, "3", both(2.0, rounds=5))
    assert gain(three) == [] and names(three) == ["3", "1"]  # the second measured nothing


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": "0", "versions": [{"name": "01_one"}]}'])
def test_a_damaged_run_is_left_out(three: Tree, content: str):
    keep(three, "1", both(2.0))
    write(three.root / history.FOLDER / "2.json", content)
    assert names(three) == ["1"] and gain(three) == [("2.00", "")]


@pytest.mark.parametrize(
    ("key", "value"), [("seconds", [0.0] * 6), ("seconds", 3), ("spread", None), ("threads", "1"), ("rounds", None)]
)
def test_a_run_with_a_figure_that_cannot_be_is_left_out(three: Tree, key: str, value: object):
    file = keep(three, "1", both(2.0))
    run = json.loads(file.read_text())
    run["versions"][1][key] = value
    write(file, json.dumps(run))
    assert names(three) == [] and gain(three) == []


def test_the_words_of_a_gain():
    ratio = gains.Ratio(2.04, (1.96, 2.1), 9)
    assert Gain(2, ratio, False, "here", "").words() == "2.04 times as fast with 2 threads (95 % interval 1.96 to 2.10)"
    assert Gain(1, ratio, True, "here", "old").words() == "2.0 times as fast (95 % interval 2.0 to 2.1)"
    assert Gain(1, ratio, True, "here", "old").source == "here; stale: old"


def test_in_a_fresh_clone_gains_are_those_of_the_published_runs(three: Tree):
    file = keep(three, "1", both(2.0))
    history.publish(three.root, [json.loads(file.read_text())])
    file.unlink()
    assert gain(three) == [("2.00", "")] and history.of_all(three.root) is None
    three.write("02_two/src/a.py", "a = 1.0\n")
    assert gain(three) == [("2.00", "02_two changed since")]
    keep(three, "2", both(3.0))
    assert gain(three) == [("3.00", "")] and names(three) == ["2", "1"]


def test_a_version_has_changed_if_a_file_that_is_built_is_another_or_it_is_gone(three: Tree):
    run = json.loads(keep(three, "1", both(2.0)).read_text())
    three.write("02_two/README.md", "# more\n")
    assert history.changed(three.root, [run]) == set()
    three.write("02_two/src/a.py", "a = 1.0\n")
    assert history.changed(three.root, [run]) == {"02_two"}
    (three.root / "versions" / "01_one").rename(three.root / "versions" / "04_one")
    assert history.changed(three.root, [run]) == {"01_one", "02_two"}


def test_a_run_that_is_published_and_kept_counts_once(three: Tree):
    file = keep(three, "1", both(2.0))
    history.publish(three.root, [json.loads(file.read_text())])
    assert names(three) == ["1"]
