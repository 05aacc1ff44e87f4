"""What `numbers` lets through, and what not."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from ladder.core.errors import LadderError
from ladder.core.versions import ROOT, Version, discover
from ladder.outputs import agreement
from scrutiny import networks, rounding
from scrutiny.networks import LISTED, Size
from scrutiny.rounding import Contestant, attempt, distance
from scrutiny.trials import RANDOM, SPECIAL, Trial
from shared_weights import scales

from .conftest import Fake, Spoil

SMALL = Size(1, 8, 32, 32)


@pytest.fixture
def judge(version: Version, tmp_path, capsys):
    """Tries two spoilt processes on a trial; returns what was wrong, as printed."""

    def run(trial: Trial, first: Spoil = lambda logits: logits, second: Spoil = lambda logits: logits) -> list[str]:
        contestant = Contestant(version, Fake(first), Fake(second))
        weights, image = trial.weights(), trial.image()
        with np.errstate(all="ignore"):
            expected = networks.reference(ROOT).network(weights, image)["fc"]
        attempt(contestant, trial, networks.write(tmp_path / "weights", weights), image, expected)
        code = rounding.report([contestant])
        err = capsys.readouterr().err
        assert code == (1 if err else 0)
        return [line.split(": ")[2] for line in err.splitlines()]

    return run


def off_by(relative: float) -> Spoil:
    """The largest logit changed by so much."""

    def spoil(logits: np.ndarray) -> np.ndarray:
        logits[np.abs(logits).argmax()] *= np.float32(1 + relative)
        return logits

    return spoil


def test_right_answers_pass(judge):
    for kind in (RANDOM, *SPECIAL):
        assert judge(Trial(kind, SMALL, 3)) == []


def test_a_logit_past_the_tolerance_is_wrong(judge):
    trial = Trial(SPECIAL[0], SMALL, 3)
    assert judge(trial, off_by(1.9e-5), off_by(1.9e-5)) == []
    assert judge(trial, off_by(2.1e-5), off_by(2.1e-5)) == ["one colour"]


def test_a_tie_that_is_not_to_the_last_bit_is_wrong(judge):
    assert judge(Trial(RANDOM, SMALL, 3), off_by(2e-7), off_by(2e-7)) == ["ties"]


def test_another_top_5_is_wrong(judge):
    assert "top 5" in judge(Trial(RANDOM, SMALL, 3), lambda logits: logits[::-1], lambda logits: logits[::-1])


def test_bits_that_change_from_run_to_run_are_wrong(judge):
    calls = count()
    assert judge(Trial(SPECIAL[0], SMALL, 3), lambda logits: off_by(2e-7 * next(calls))(logits)) == ["run"]


def test_bits_that_change_from_process_to_process_are_wrong(judge):
    assert judge(Trial(SPECIAL[0], SMALL, 3), off_by(0), off_by(2e-7)) == ["process"]


def test_a_version_with_threads_is_asked_with_several_numbers_of_them(version, tmp_path):
    threaded = Version(version.folder, version.distribution, version.idea, threads=True)
    asked = set()
    for seed in range(len(rounding.THREADS)):
        trial = Trial(RANDOM, SMALL, seed)
        contestant = Contestant(threaded, Fake(), Fake())
        attempt(contestant, trial, networks.write(tmp_path / "w", trial.weights()), trial.image(), np.ones(8))
        asked |= set(contestant.first.asked)
        assert contestant.tallies["number of threads"].tried == 1
    assert asked == {None, *rounding.THREADS}


@pytest.mark.parametrize(
    ("expected", "logits", "right"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, np.nan], [1.0, 2.0], False),
        ([np.nan, np.nan], [np.nan, np.inf], False),
        ([np.inf, 1.0], [np.nan, 1.0], True),
        ([np.inf, 1.0], [3e38, 1.0], False),
        ([1e39, 1.0], [np.inf, np.nan], True),
        ([1e39, 1.0], [3e38, 1.0], False),
        ([1.0, 2.0], [1.0, np.nan], False),
        ([1.0, 2.0], [1.0, np.inf], False),
    ],
)
def test_what_is_no_number_must_be_none_and_what_is_one_must_be_one(expected, logits, right):
    assert (distance(np.array(logits, np.float32), np.array(expected)) == 0.0) is right


def test_denormal_trials_would_be_wrong_if_such_numbers_were_taken_for_zero():
    float64, found = networks.reference(ROOT), 0
    for trial in (Trial(kind, LISTED[0], 0) for kind in SPECIAL if kind.column == "denormal"):
        weights, image = trial.weights(), trial.image()
        expected = float64.network(weights, image)["fc"]
        flushed = [np.where(np.abs(each) < 2.0**-126, 0, each) for each in (image, weights["conv1.weight"])]
        logits = float64.network(weights | {"conv1.weight": flushed[1]}, flushed[0])["fc"]
        assert agreement.difference(logits, expected, expected) > 1e-3
        found += 1
    assert found == 2


def test_trials_are_the_same_for_the_same_seed_and_others_for_another():
    one, same, other = (Trial(RANDOM, SMALL, seed) for seed in (0, 0, 1))
    for name, tensor in one.weights().items():
        np.testing.assert_array_equal(tensor, same.weights()[name])
        assert not np.array_equal(tensor, other.weights()[name])
    np.testing.assert_array_equal(one.image(), same.image())
    assert not np.array_equal(one.image(), other.image())


def test_a_version_in_8_bit_integers_must_give_the_logits_in_whole_numbers_to_the_last_bit(version, tmp_path, capsys):
    trial, int8 = Trial(RANDOM, SMALL, 3), replace(version, int8=True)
    folder = networks.write(tmp_path / "weights", trial.weights())
    whole = networks.in_whole_numbers(trial.weights(), trial.image())
    for logits, code in ((whole, 0), (np.nextafter(whole, np.float32(np.inf)), 1)):
        contestant = Contestant(int8, *(Fake(lambda float64, logits=logits: logits) for _ in range(2)))
        attempt(contestant, trial, folder, trial.image(), whole)
        assert rounding.report([contestant]) == code
        out, err = capsys.readouterr()
        assert "compared with the same network in integers, not with float64" in out
        assert ("random: 1 of 1 are wrong" in err) == bool(code)


def test_logits_that_are_all_zero_can_be_right_in_8_bit_integers(version, tmp_path):
    trial, zeros = Trial(SPECIAL[0], SMALL, 0), np.zeros(SMALL.classes, np.float32)
    contestant = Contestant(replace(version, int8=True), *(Fake(lambda float64: zeros) for _ in range(2)))
    attempt(contestant, trial, networks.write(tmp_path / "weights", trial.weights()), trial.image(), zeros)
    assert not contestant.tallies["one colour"].wrong


def test_scales_leave_room_in_float32_whatever_the_kernels_are_multiplied_by():
    largest = 32 * 32 * max(scale.scale for kind in SPECIAL for scale in Trial(kind, SMALL, 0).scales().values())
    assert largest < np.finfo(np.float32).max / 1e6


def test_a_weight_folder_has_scales_that_a_version_in_8_bit_integers_can_read(tmp_path):
    weights = Trial(RANDOM, SMALL, 3).weights()
    assert scales.read(networks.write(tmp_path / "weights", weights)) == networks.scales_of(weights)


def test_versions_that_compile_see_only_listed_sizes():
    generates = {version.name[:2]: version.generates for version in discover(ROOT)}
    assert generates["07"] and not generates["06"]
    listed = [trial for trial in rounding.all_trials(20) if trial.listed]
    assert {trial.size for trial in listed} == set(LISTED)
    assert len(listed) == len(LISTED) * len(SPECIAL) + 20


def test_a_version_that_does_not_exist_is_refused():
    with pytest.raises(LadderError, match="there is no version '77'"):
        rounding.rounding(ROOT, ["77"], 1)
