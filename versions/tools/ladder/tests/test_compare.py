"""Comparing outputs: what is let through, what is not, and which golden files are refused."""

from pathlib import Path

import numpy as np
import pytest

from ladder.core.errors import LadderError, WorkerError
from ladder.core.versions import Version
from ladder.outputs import agreement
from ladder.outputs.compare import compare

from .conftest import Answers, Tree, write_golden

# The largest logit is 10, so a tolerance of 2e-5 allows 2e-4. Ranks 5 and 6 are 1e-4 apart.
LOGITS = [10.0, 8.0, 6.0, 4.0, 2.0, 1.9999]
NAMES = ("chelsea.png", "farm/horse.png", "coin.png", "chelsea.png@32")
RIGHT: Answers = {"chelsea.png": LOGITS, "horse.png": LOGITS, "coin.png": LOGITS, "small.npy": LOGITS}


@pytest.fixture
def run(tree: Tree, fake, pics: Path, weight_set: Path, capsys: pytest.CaptureFixture, monkeypatch):
    """Runs `compare` with a right version 01 and a 02 that answers as told; returns exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "80")
    write_golden(weight_set, dict.fromkeys(NAMES, LOGITS))

    def compare_with(
        answers: Answers, names: tuple[str, ...] = (), folder: Path = weight_set, **ladder: object
    ) -> tuple[int, str, str]:
        fake("01_one", RIGHT)
        fake("02_two", RIGHT | answers, previous="01_one", **ladder)
        code = compare(tree.root, names, [folder])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return compare_with


def test_equal_outputs_pass(run):
    code, out, _ = run({})
    assert code == 0
    for name in ("01_one", "02_two"):
        [line] = [line for line in out.splitlines() if name in line]
        assert line.split()[1:3] == ["4", "0.0e+00"] and line.split()[-1] == "same"
    assert max(map(len, out.splitlines())) <= 80


def test_a_difference_below_the_tolerance_passes_and_is_shown(run):
    code, out, _ = run({"coin.png": [10.0 + 1.9e-4, *LOGITS[1:]]})
    assert code == 0 and out.count("1.9e-05") == 3  # 02 from torchvision, 01 from 02, 02 from 01


def test_a_wrong_output_fails_and_is_named(run):
    code, _, err = run({"coin.png": [10.0 + 2.1e-4, *LOGITS[1:]], "horse.png": [9.0, *LOGITS[1:]]})
    assert code == 1
    assert "02_two is 1.0e-01 away from torchvision on farm/horse.png; beyond 2e-05 on 2 of 4 inputs" in err
    assert "01_one is 1.0e-01 away from 02_two on farm/horse.png" in err
    assert "01_one is 0" not in err


def test_a_wrong_output_on_the_thinned_picture_alone_fails(run):
    assert run({"small.npy": [11.0, *LOGITS[1:]]})[0] == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_output_that_is_not_finite_fails(run, value: float):
    code, out, err = run({"horse.png": [*LOGITS[:5], value]})
    assert code == 1 and "no number" in out
    assert "02_two is not comparable with torchvision on farm/horse.png; beyond 2e-05 on 1 of 4 inputs" in err


def test_too_few_logits_fail(run):
    assert run({"horse.png": LOGITS[:5]})[0] == 1


def test_a_refused_picture_fails(run):
    code, _, err = run({"horse.png": "refuse"})
    assert code == 1 and "02_two refuses farm/horse.png" in err


def test_a_dying_version_is_an_error_with_its_last_words(run):
    with pytest.raises(WorkerError, match="a last word"):
        run({"horse.png": "die"})


def test_a_declared_tolerance_counts(run):
    answers = {"coin.png": [10.0 + 5e-4, *LOGITS[1:]]}
    assert run(answers)[0] == 1
    assert run(answers, tolerance=1e-4)[0] == 0
    assert run({"coin.png": [10.0 + 2e-3, *LOGITS[1:]]}, tolerance=1e-4)[0] == 1


def test_how_far_8_bit_integers_are_from_float32_is_shown_and_not_judged(run):
    code, out, err = run({"coin.png": [9.0, 11.0, *LOGITS[2:]]}, ("01", "02"), int8=True)
    assert (code, err.count("ladder:")) == (0, 0)
    assert out.count("3.0e-01") == 3 and "1 differ" in out and "02_two: 8-bit integers" in out
    assert run({"coin.png": [float("nan"), *LOGITS[1:]]}, ("01", "02"), int8=True)[0] == 1


def test_two_versions_in_8_bit_integers_must_give_the_same_bits():
    one, two, other = (Version(Path(name), name, "an idea", int8=name != "c") for name in "abc")
    assert agreement.limit_between(one, two) == 0
    assert agreement.limit_between(one, other) == agreement.limit_between(other, one) == np.inf
    assert agreement.limit_between(other, other) == other.tolerance


def test_only_ranks_closer_than_the_bound_may_swap():
    golden = np.array([10.0, 8.0, 6.0, 4.0, 2.0, 1.9999])
    swapped = np.array([10.0, 8.0, 6.0, 4.0, 1.9999, 2.0])
    assert agreement.same_ranking(swapped, golden, 2e-5)  # 1e-4 apart; the bound is 2e-4
    assert not agreement.same_ranking(swapped, golden, 0.9e-5)
    assert not agreement.same_ranking(golden[::-1], golden, 2e-5)
    assert not agreement.same_ranking(golden[:5], golden, 2e-5)
    assert not agreement.same_ranking(np.full(6, np.nan), golden, 2e-5)
    three = np.array([1.0, 0.99998, 0.99996])  # neighbours may swap at 3e-5, the outer two may not
    assert agreement.same_ranking(three[[1, 0, 2]], three, 3e-5)
    assert not agreement.same_ranking(three[[2, 1, 0]], three, 3e-5)


def test_another_top_5_fails_even_within_the_tolerance(run, weight_set: Path):
    golden = [*LOGITS[:5], 1.9997]
    write_golden(weight_set, dict.fromkeys(NAMES, golden))
    answers = dict.fromkeys(RIGHT, golden)
    assert run(answers, names=("02",))[0] == 0
    # Each logit moves by 1.9e-4, less than the 2e-4 allowed; together that swaps two labels that are 3e-4 apart.
    code, out, err = run(answers | {"coin.png": [*LOGITS[:4], 2.0 - 1.9e-4, 1.9997 + 1.9e-4]}, names=("02",))
    assert code == 1 and "1.9e-05" in out and "away from" not in err
    assert "02_two's top 5 differ from torchvision's on coin.png" in err


def test_slow_versions_see_only_the_small_picture(run):
    wrong = dict.fromkeys(("chelsea.png", "horse.png", "coin.png"), "die")
    code, out, _ = run(wrong, slow=True)
    assert code == 0 and "02_two        1 " in out and "01_one        4 " in out
    assert run(wrong | {"small.npy": [11.0, *LOGITS[1:]]}, slow=True)[0] == 1


def test_versions_that_cannot_run_are_skipped_with_a_sentence(run, tree: Tree, fake):
    code, out, err = run({"coin.png": [0.0] * 6}, requires=["imaginary"])
    assert code == 0 and "02_two is skipped: this processor lacks imaginary" in err and "02_two" not in out
    with pytest.raises(LadderError, match="none of the versions"):
        run({}, names=("02",), requires=["imaginary"])


def test_named_versions_only(run):
    code, out, _ = run({"coin.png": [0.0] * 6}, names=("1",))
    assert code == 0 and "02_two" not in out


@pytest.mark.parametrize(
    ("golden", "metadata", "complaint"),
    [
        (dict.fromkeys(NAMES, LOGITS), {"weights_sha256": "0" * 64}, "not made from the weights"),
        (dict.fromkeys(NAMES[:3], LOGITS), {}, "no logits for chelsea.png@32"),
        (dict.fromkeys(NAMES[1:], LOGITS), {}, "no logits for chelsea.png"),
        (dict.fromkeys(NAMES, LOGITS) | {"coin.png": [float("nan")]}, {}, "not finite"),
    ],
)
def test_a_golden_file_for_something_else_is_refused(run, weight_set: Path, golden, metadata, complaint: str):
    write_golden(weight_set, golden, **metadata)
    with pytest.raises(LadderError, match=complaint):
        run({})


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0{broken}"])
def test_a_missing_or_broken_golden_file_is_refused(run, weight_set: Path, content: bytes | None):
    path = weight_set / "golden.safetensors"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LadderError, match=r"golden\.safetensors cannot be read.*nox -s reference"):
        run({})


def test_imagenet_without_a_golden_file_compares_the_versions_with_one_another(run, weight_set: Path):
    imagenet = weight_set.rename(weight_set.with_name("imagenet"))
    (imagenet / "golden.safetensors").unlink()
    code, out, _ = run({}, folder=imagenet)
    assert code == 0 and "torchvision's own answers are not here yet: `nox -s reference -- --write`" in out
    [line] = [line for line in out.splitlines() if "02_two" in line]
    assert line.split()[1:4] == ["4", "0.0e+00", "01"] and "top 5" not in out
    code, _, err = run({"coin.png": [10.0 + 2.1e-4, *LOGITS[1:]]}, folder=imagenet)
    assert code == 1 and "01_one is 2.1e-05 away from 02_two on coin.png; beyond 2e-05 on 1 of 4 inputs" in err
    assert run({"coin.png": [float("nan"), *LOGITS[1:]]}, folder=imagenet)[0] == 1
    code, out, _ = run(dict.fromkeys(("chelsea.png", "horse.png", "coin.png"), "die"), folder=imagenet, slow=True)
    assert code == 0 and "02_two        1 " in out
