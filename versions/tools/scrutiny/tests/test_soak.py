"""Long runs, made short: what is left behind is seen, and so is an output that changes."""

import itertools
import os
import threading

import numpy as np
import pytest

from ladder.core.versions import ROOT, discover, find, obstacle
from scrutiny import soak
from scrutiny.soak import Footprint, Run, narrow, report

BEFORE = Footprint(memory=50.0, files=8, threads=3)


class Silent:
    """Stands in for a process that is only looked at."""

    pid = 0


def finished(monkeypatch: pytest.MonkeyPatch, *footprints: Footprint, logits: tuple[bytes, ...] = (b"1",)) -> Run:
    """A run of ten answers between any two looks."""
    looks, outputs = iter(footprints), itertools.cycle(logits)
    monkeypatch.setattr(Footprint, "of", lambda pid: next(looks))
    run = Run("01_one", "inferences")
    for _ in footprints:
        run.step(Silent(), lambda times: [(0, 0.001, next(outputs)) for _ in range(times)], 10)
    return run


def test_what_is_as_at_first_passes(monkeypatch, capsys):
    assert report([finished(monkeypatch, BEFORE, BEFORE)]) == 0
    out = capsys.readouterr().out
    assert "50.0 MB +0.0" in out and "same" in out
    assert "01_one, inferences: median 1.00 ms, 99th percentile 1.00 ms" in out


@pytest.mark.parametrize(
    ("after", "shown"),
    [
        (Footprint(52.1, 8, 3), "50.0 MB +2.1"),
        (Footprint(50.0, 9, 3), "8 +1"),
        (Footprint(50.0, 8, 4), "3 +1"),
        (Footprint(50.0, 8, 2), "3 -1"),
    ],
)
def test_what_is_left_behind_fails(monkeypatch, capsys, after: Footprint, shown: str):
    assert report([finished(monkeypatch, BEFORE, BEFORE, after)]) == 1
    assert shown in capsys.readouterr().out


def test_a_footprint_counts_memory_files_and_threads():
    before, end = Footprint.of(os.getpid()), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    with open(os.devnull):
        held = np.ones(8_000_000)  # 64 MB: freed memory that is used again is less
        after = Footprint.of(os.getpid())
    end.set()
    thread.join()
    assert after.memory > before.memory + held.nbytes / 2e6
    assert (after.files, after.threads) == (before.files + 1, before.threads + 1)


def test_memory_that_comes_in_pages_passes(monkeypatch):
    assert report([finished(monkeypatch, BEFORE, Footprint(51.9, 8, 3))]) == 0
    assert report([finished(monkeypatch, BEFORE, Footprint(40.0, 8, 3))]) == 0


def test_an_output_that_changes_fails(monkeypatch, capsys):
    assert report([finished(monkeypatch, BEFORE, BEFORE, logits=(b"1", b"1", b"1", b"2"))]) == 1
    assert "5 differ" in capsys.readouterr().out


def test_each_image_has_an_output_of_its_own(monkeypatch):
    monkeypatch.setattr(Footprint, "of", lambda pid: BEFORE)
    run = Run("01_one", "inferences")
    run.step(Silent(), lambda times: [(0, 0.1, b"1"), (1, 0.1, b"2"), (0, 0.1, b"1")], 3)
    assert not run.different


@pytest.mark.parametrize("number", ["02", "03"])
def test_a_short_run_of_a_real_version_leaves_nothing_behind(number, tmp_path):
    runs = narrow(find(discover(ROOT), number), tmp_path, inferences=9, loads=3)
    assert [len(run.seconds) for run in runs] == [9, 3]
    assert [len(run.expected) for run in runs] == [2, 1]
    assert runs[0].expected[0] == runs[1].expected[0]
    assert report(runs) == 0


def test_versions_without_c_do_a_hundredth(monkeypatch):
    asked = {}
    monkeypatch.setattr(soak, "narrow", lambda version, scratch, *times: asked.update({version.number: times}) or [])
    monkeypatch.setattr(soak, "full", lambda version, minutes: asked.update({"full": (version.name, minutes)}))
    monkeypatch.setattr(soak, "report", lambda runs: 0)
    assert soak.soak(ROOT, ["01", "03"], 10_000, 250, 5) == 0
    assert asked == {"01": (100, 3), "03": (10_000, 250), "full": ("03_naive_c", 5)}


def test_versions_in_8_bit_integers_take_part(monkeypatch):
    asked = []
    monkeypatch.setattr(soak, "narrow", lambda version, *others: asked.append(version) or [])
    monkeypatch.setattr(soak, "full", lambda version, minutes: asked.append(version))
    monkeypatch.setattr(soak, "report", lambda runs: 0)
    assert soak.soak(ROOT, [], 1, 1, 1) == 0
    able = [version for version in discover(ROOT) if obstacle(version) is None]
    assert asked == [*able, able[-1]]
