"""What the stack protector costs: who is compared with whom, and that the builds are what they are called."""

from pathlib import Path
from random import Random

import pytest

from ladder.core.errors import LadderError
from ladder.core.versions import ROOT, discover, find
from ladder.timing.rounds import Timings
from scrutiny import hardening
from scrutiny.hardening import Cost, interpreters, report, time


def extension(interpreter: Path) -> bytes:
    """The compiled module that is installed beside an interpreter."""
    (module,) = interpreter.parents[1].glob("lib/*/site-packages/resnet50/ops.*so")
    return module.read_bytes()


def timings(protected: float, again: float, unprotected: float) -> Timings:
    """Three rounds that are alike."""
    seconds = {"protected": protected, "again": again, "unprotected": unprotected}
    return Timings(seconds={name: dict.fromkeys(range(3), value) for name, value in seconds.items()})


def row(version: str, out: str) -> str:
    """What the printed table says of a version."""
    (line,) = [line for line in out.splitlines() if version in line]
    return " ".join(line.split()[1:])


def test_only_the_protected_build_has_the_protector_and_both_are_timed():
    pythons = interpreters(find(discover(ROOT), "03"))
    called = {process: b"__stack_chk_fail" in extension(python) for process, python in pythons.items()}
    assert called == {"protected": True, "again": True, "unprotected": False}
    taken = time(pythons, ROOT / "shared_weights" / "cifar10", 2, Random(0))
    assert set(taken.seconds) == set(pythons) and taken.rounds == 2


def test_the_cost_is_with_over_without_and_the_noise_with_over_with(capsys):
    cost = Cost("04_avx2")
    for again in (1.0, 2.0, 1.0, 1.0, 1.0, 0.5):
        cost.add(timings(1.1, 1.1 * again, 1.0))
    report([cost])
    assert row("04_avx2", capsys.readouterr().out) == "6 1.100 (1.100 to 1.100) 1.000 (0.500 to 2.000)"


def test_too_few_starts_give_no_interval(capsys):
    cost = Cost("04_avx2")
    cost.add(timings(1.1, 1.1, 1.0))
    report([cost])
    assert row("04_avx2", capsys.readouterr().out) == "1 1.100 1.000"


def test_every_version_is_begun_as_often_as_asked(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(hardening, "interpreters", lambda version: {version.number: Path()})
    monkeypatch.setattr(
        hardening, "time", lambda pythons, folder, most, order: asked.append((*pythons, most)) or timings(1, 1, 1)
    )
    assert hardening.hardening(ROOT, ["02", "03", "04"], 2, 7) == 0
    assert asked == [("03", 7), ("03", 7), ("04", 7), ("04", 7)]
    assert "03_naive_c" in capsys.readouterr().out


def test_ctrl_c_shows_what_was_measured_so_far(monkeypatch, capsys):
    def time(pythons, folder, most, order):
        if "04" in pythons:
            raise KeyboardInterrupt
        return timings(1, 1, 1)

    monkeypatch.setattr(hardening, "interpreters", lambda version: {version.number: Path()})
    monkeypatch.setattr(hardening, "time", time)
    assert hardening.hardening(ROOT, ["03", "04"], 2, 7) == 130
    out = capsys.readouterr().out
    assert "03_naive_c" in out and "04_avx2" not in out


def test_ctrl_c_before_anything_was_measured_shows_no_table(monkeypatch, capsys):
    def time(pythons, folder, most, order):
        raise KeyboardInterrupt

    monkeypatch.setattr(hardening, "interpreters", lambda version: {version.number: Path()})
    monkeypatch.setattr(hardening, "time", time)
    with pytest.raises(KeyboardInterrupt):
        hardening.hardening(ROOT, ["03"], 2, 7)
    assert capsys.readouterr().out == ""


def test_versions_without_c_have_nothing_to_measure():
    with pytest.raises(LadderError, match="none of these versions has C"):
        hardening.hardening(ROOT, ["01", "02"], 1, 1)
