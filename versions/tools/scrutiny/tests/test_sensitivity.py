"""The copies that `bench` is tried on, and how its answers are judged."""

from pathlib import Path

import pytest

from ladder.core.errors import LadderError
from ladder.core.versions import ROOT, Version, discover
from ladder.timing.conditions import sources
from ladder.timing.ratios import Ratio
from scrutiny import sensitivity
from scrutiny.sensitivity import COPIES, WORKER, Trial, copy, report, slowed

SAME, SLOWER = Ratio(1.0, (0.99, 1.01), 9), Ratio(0.98, (0.975, 0.99), 9)


@pytest.mark.parametrize("version", discover(ROOT), ids=lambda version: version.name)
def test_every_version_can_be_copied_and_slowed(version: Version, tmp_path: Path):
    copy(version, tmp_path)
    copy(version, tmp_path)  # again, over the first ones
    plain, same, slower = discover(tmp_path)
    assert (plain.name, same.name, slower.name) == COPIES and same.previous == slower.previous == plain.name
    assert sources(plain) == sources(same) == sources(version) != sources(slower)


def test_the_wait_is_a_share_of_the_inference_and_is_measured_with_it(monkeypatch):
    before = (ROOT / "versions" / "01_pure_python" / WORKER).read_text()
    lines = slowed(before).split(sensitivity.INFERENCE)[1].splitlines()
    assert lines[1].strip() == "while perf_counter() < end + 0.02 * (end - start):"
    clock = iter([10.0, 15.0, 15.05, 15.0999, 15.1001, 99.0])  # an inference of 5 s, and 0.1 s
    place = {"perf_counter": lambda: next(clock)}
    exec("start = perf_counter()\n" + "\n".join(line[8:] for line in sensitivity.WAIT.splitlines()), place)
    assert next(clock) == 99.0


def test_a_worker_that_cannot_be_slowed_is_an_error():
    for text in ("", 2 * sensitivity.INFERENCE):
        with pytest.raises(LadderError, match="does not have the line"):
            slowed(text)


@pytest.mark.parametrize(("missed", "alarms", "code"), [(0, 0, 0), (2, 2, 0), (3, 0, 1), (0, 3, 1)])
def test_one_wrong_answer_of_ten_is_allowed(missed: int, alarms: int, code: int, capsys):
    trials = [Trial(SLOWER if n < alarms else SAME, SAME if n < missed else SLOWER) for n in range(20)]
    assert report(trials) == code
    sentence = f"was detected in {20 - missed} of 20 runs, one that was not there in {alarms}."
    assert sentence in " ".join(capsys.readouterr().out.split())


def test_a_run_without_a_ratio_has_found_nothing(capsys):
    assert report([Trial(None, None)]) == 1
    assert "was detected in 0 of 1 runs, one that was not there in 0." in " ".join(capsys.readouterr().out.split())
