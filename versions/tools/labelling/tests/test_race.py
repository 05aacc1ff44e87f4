"""The comparison with other pipelines: its photographs are always the same, and it fails if a class differs."""

import pytest

from labelling import race
from labelling.race import FINALISTS, PIPELINES, finalists, photographs, report
from ladder.core import terminal
from ladder.core.versions import ROOT


def test_the_photographs_are_the_same_every_time(tmp_path):
    first, second = (photographs(ROOT, tmp_path / name, 5) for name in "ab")
    names = sorted(file.name for file in first.iterdir())
    assert len(names) == 5 and names == sorted(file.name for file in second.iterdir())
    contents = [(first / name).read_bytes() for name in names]
    assert contents == [(second / name).read_bytes() for name in names] and len(set(contents)) == 5
    assert photographs(ROOT, tmp_path / "a", 5) == first


@pytest.mark.parametrize(("label", "code", "words"), [("cat", 0, "All classes are the same."), ("dog", 1, "1 classes")])
def test_it_is_held_against_the_best_and_a_class_that_differs_is_a_failure(label, code, words, capsys, monkeypatch):
    monkeypatch.setattr(race, "processors", lambda: 2)
    seconds = {(): [1.0, 2.0, 9.0], **{one: [4.0 + number] for number, one in enumerate(PIPELINES)}}
    found = {(): {"a": "cat", "b": "cat"}, **{one: {"a": "cat", "b": label} for one in PIPELINES}}
    assert report(seconds, found, 100) == code
    out = " ".join(capsys.readouterr().out.split())
    assert words in out and "label has 2.00 times the throughput of the best of the others" in out
    assert "label, 2 processes 3 50.0" in out
    assert "workers: 1; ONNX Runtime, threads: 1, batch: 1 1 25.0" in out


def test_the_fastest_pipelines_of_the_first_round_run_again_and_a_lucky_first_run_does_not_count(capsys, monkeypatch):
    monkeypatch.setattr(race, "processors", lambda: 2)
    seconds = {(): [4.0] * 3, **{one: [20.0 - number] for number, one in enumerate(PIPELINES)}}
    fastest = [*PIPELINES][: -FINALISTS - 1 : -1]
    assert finalists(seconds) == fastest
    for one, times in zip(fastest, ([1.0, 8.0, 8.0], [10.0] * 3, [9.0] * 3), strict=True):
        seconds[one] = times
    found = {one: {"a": "cat"} for one in seconds}
    assert report(seconds, found, 100) == 0
    assert "label has 2.00 times" in " ".join(capsys.readouterr().out.split())


def racing(monkeypatch, tmp_path, runs: int) -> int:
    """The exit code of a race of three rounds in which Ctrl-C comes after `runs` runs."""
    count = iter(range(runs))

    def run(*arguments):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return 1.0, {"a": "cat"}

    for name in ("run_pipeline", "run_label"):
        monkeypatch.setattr(race, name, run)
    for name in ("environment.python", "photographs", "peers.install", "peers.attempt", "peers.report"):
        monkeypatch.setattr(f"labelling.race.{name}", lambda *arguments, **settings: None)
    monkeypatch.setattr(race, "weights_at", lambda home: tmp_path)
    return terminal.exit_code("race", lambda: race.race(ROOT, 100, 3, "12"))


@pytest.mark.parametrize(("runs", "rows"), [(5, 0), (1 + 9, 9), (1 + 9 + 2, 9)])
def test_ctrl_c_shows_what_is_there_once_all_have_run(runs, rows, monkeypatch, tmp_path, capsys):
    assert racing(monkeypatch, tmp_path, runs) == 130
    assert capsys.readouterr().out.count("100.0") == rows


def test_the_first_round_has_all_and_the_others_four(monkeypatch, tmp_path, capsys):
    assert racing(monkeypatch, tmp_path, 1 + 9 + 4 + 4) == 0
    assert capsys.readouterr().out.count(" 3 ") == 4
