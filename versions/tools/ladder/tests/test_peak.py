"""The processor's peak: a loop that is made of FMA alone, and a sentence where there is none."""

import itertools
import shutil
import threading
import time
from pathlib import Path

import pytest

from ladder.assembly.objdump import count, disassemble
from ladder.core import processor
from ladder.core.errors import LadderError
from ladder.machine import peak
from ladder.machine.peak import Peak, together

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
needs_fma = pytest.mark.skipif(
    not {"x86_64", "avx2", "fma"} <= processor.features(), reason="the processor has no AVX2 with FMA"
)


@needs_compiler
@needs_fma
def test_the_peak_is_measured_with_every_instruction_set(tmp_path: Path):
    found = peak.build(tmp_path / "build")
    expected = {"AVX2"} | ({"AVX-512"} if "avx512f" in processor.features() else set())
    assert found.functions.keys() == expected and not list((tmp_path / "build").iterdir())
    for function in found.functions.values():
        assert function(0) == sum(range(12)) and function(1) == sum(i * 0.5 + 1 for i in range(12))
    found.threads = (1, 2)
    for _ in range(3):
        found.measure()
    assert all(len(values) == 3 for sets in found.flops.values() for values in sets.values())
    assert found.medians().keys() == {1, 2}
    medians = found.medians()[1]
    assert medians.keys() == expected and list(medians.values()) == sorted(medians.values(), reverse=True)
    assert min(medians.values()) > 1e9  # the slowest processor with FMA does that in an eighth of a second


@needs_compiler
@needs_fma
def test_the_peaks_of_float32_and_of_8_bit_integers_are_told_apart(tmp_path: Path):
    found = peak.with_int8(peak.build(tmp_path), peak.build(tmp_path, narrow=True))
    assert "AVX2 in 16 bits" in found.functions and "AVX-512 BF16" not in found.functions
    found.measure()
    for int8 in (False, True):
        speeds = [max(values) for name, values in found.flops[1].items() if (name in peak.INT8) == int8]
        assert found.best(int8) == {1: max(speeds)}


def test_cores_are_measured_together():
    """Two threads that wait for each other could not end if they ran in turn."""
    both = threading.Barrier(2, timeout=10)
    assert together(2, both.wait) < 10
    assert together(1, lambda: time.sleep(0.01)) >= 0.01


def test_the_time_begins_before_any_core_does(monkeypatch):
    """On a busy machine the thread that waits for the others may come to look when they have already ended."""
    ticks = itertools.count(1)

    def clock() -> float:
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.05)
        return next(ticks)

    monkeypatch.setattr(time, "perf_counter", clock)
    assert together(2, clock) == 3  # from 1, before the two cores look at 2 and 3, to 4


def test_a_roof_is_the_most_that_was_reached():
    assert Peak({}, flops={1: {"A": [1.0, 3.0], "B": [2.0]}, 2: {"A": [5.0]}}).best() == {1: 3.0, 2: 5.0}


@needs_compiler
@pytest.mark.skipif("x86_64" not in processor.features() or not shutil.which("objdump"), reason="no objdump of x86-64")
@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_nothing_but_fma_stands_in_the_loops(compiler: str, tmp_path: Path, monkeypatch):
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    monkeypatch.setenv("CC", compiler)
    peak.compile_library(tmp_path / "peak.so")
    functions = {function.name: function for function in disassemble(tmp_path / "peak.so", tmp_path)}
    for name in ("peak_avx2", "peak_avx512"):
        [loop] = [loop for loop in functions[name].loops() if count(loop)["FMA"]]
        counts = count(loop)
        assert counts["FMA"] % peak.CHAINS == 0  # a compiler may unroll the loop over the rounds
        assert counts["loads"] == counts["stores"] == counts["vector"] == counts["scalar"] == 0
        assert counts["all"] - counts["FMA"] <= 3  # count, compare, jump


@needs_compiler
@pytest.mark.skipif("x86_64" not in processor.features() or not shutil.which("objdump"), reason="no objdump of x86-64")
@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_nothing_but_multiply_adds_stands_in_the_narrow_loops(compiler: str, tmp_path: Path, monkeypatch):
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    monkeypatch.setenv("CC", compiler)
    peak.compile_library(tmp_path / "peak.so", peak.NARROW_SOURCE)
    functions = {function.name: function for function in disassemble(tmp_path / "peak.so", tmp_path)}
    for name, of_a_step in (("peak_avx512_vnni", 1), ("peak_avx2_words", 2), ("peak_avx512_bf16", 1)):
        loops = map(count, functions[name].loops())
        [counts] = [counts for counts in loops if counts["FMA"] + counts["vector"]]
        assert (counts["FMA"] + counts["vector"]) % (of_a_step * peak.CHAINS) == 0
        assert counts["loads"] == counts["stores"] == counts["scalar"] == 0
        assert counts["all"] - counts["FMA"] - counts["vector"] <= 3  # count, compare, jump


@needs_compiler
@needs_fma
def test_the_narrow_loops_add_as_many_products_as_they_count(tmp_path: Path):
    found = peak.build(tmp_path, narrow=True)
    assert "AVX2 in 16 bits" in found.functions
    for name, function in found.functions.items():
        lanes = 16 if "AVX-512" in name else 8
        # Each of the chains adds the products of ones to every lane, of which one is returned.
        assert function(0) == 0 and function(10) == 10 * peak.CHAINS * peak.NARROW[name][2] / lanes
    found.measure()
    assert found.flops[1].keys() == found.functions.keys()


def test_the_loops_count_as_many_chains_as_python_does():
    assert f"CHAINS = {peak.CHAINS} " in peak.SOURCE.read_text()
    assert peak.NARROW_SOURCE.read_text().count("step(") == peak.CHAINS


@needs_fma
@pytest.mark.parametrize(
    ("compiler", "complaint"),
    [("no-such-compiler -O2", "no C compiler 'no-such-compiler'"), ("false", "false could not compile peak.c")],
)
def test_without_a_compiler_there_is_a_sentence(compiler: str, complaint: str, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CC", compiler)
    with pytest.raises(LadderError, match=f"the peak is unknown: .*{complaint}"):
        peak.build(tmp_path)
    with pytest.raises(LadderError, match=f"the peak is unknown: .*{complaint.replace('peak.c', 'narrow_peak.c')}"):
        peak.build(tmp_path, narrow=True)
    assert not list(tmp_path.iterdir())


def test_without_fma_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(LadderError, match=r"the peak is unknown: .* this processor lacks"):
        peak.build(tmp_path, frozenset({"aarch64", "asimd"}))
