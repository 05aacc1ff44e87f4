"""What `arm` judges, without an emulated processor; `nox -s arm` itself is the test with one."""

from contextlib import nullcontext
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import numpy as np
import pytest

from arm import check, machine, spills
from arm.__main__ import main
from ladder.core.errors import LadderError
from ladder.core.versions import ROOT, Version, discover

LOOP = """
0000000000000000 <tile_14x8_0>:
   0:\tmov\tx3, #0x0                   \t// #0
   4:\tldr\tq0, [x1], #16
   8:\t{inside}
   c:\tfmla\tv4.4s, v0.4s, v1.s[0]
  10:\tfmla\tv5.4s, v0.4s, v1.s[1]
  14:\tadd\tx3, x3, #0x1
  18:\tcmp\tx3, x2
  1c:\tb.ne\t4 <tile_14x8_0+0x4>  // b.any
  20:\tstr\tq4, [sp, #16]
  24:\tret

0000000000000028 <conv2d>:
  28:\tldr\tx0, [sp]
  2c:\tcbnz\tx0, 28 <conv2d>
  30:\tret
"""


@pytest.fixture
def version(tmp_path: Path) -> Version:
    """A version that sums in the same order everywhere."""
    return Version(tmp_path / "04_four", "resnet50-04-four", "none")


def judge(version: Version, tmp_path: Path, layers: dict[str, np.ndarray], failure: str = "") -> tuple[str, str]:
    """What is said of a machine that writes these layers, or `failure`, where [1, 2] is expected of the layer "fc"."""

    def run(cpu, package, arguments, cwd):
        np.savez(arguments[-1], **layers)
        return CompletedProcess([], 1 if failure else 0, failure)

    return check.same_bits(version, SimpleNamespace(run=run), "max", tmp_path, {"fc": np.float32([1, 2])}, tmp_path)


def test_a_loop_that_keeps_its_sums_in_registers_is_found_without_fault():
    [loop] = spills.read(LOOP.format(inside="ldr\ts1, [x4]"))  # the other one multiplies nothing
    assert (loop.function, loop.multiply_adds, loop.spills) == ("tile_14x8_0", 2, [])


@pytest.mark.parametrize("inside", ["ldr\tq1, [sp, #32]", "str\tq9, [sp]", "stp\tq1, q2, [sp, #-32]"])
def test_a_loop_that_touches_the_stack_is_found(inside: str):
    [loop] = spills.read(LOOP.format(inside=inside))
    assert loop.spills == [inside.replace("\t", " ")]


def test_equal_layers_have_the_same_bits_and_a_single_other_bit_is_told(version: Version, tmp_path: Path):
    assert judge(version, tmp_path, {"fc": np.float32([1, 2])}) == ("the same", "")
    word, failure = judge(version, tmp_path, {"fc": np.float32([1, np.nextafter(np.float32(2), np.float32(3))])})
    assert word == "differ" and "fc" in failure


def test_a_network_that_fails_or_has_other_layers_is_a_failure(version: Version, tmp_path: Path):
    assert judge(version, tmp_path, {}, "no such instruction") == ("failed", "no such instruction")
    assert judge(version, tmp_path, {"fd": np.float32([1, 2])})[1] == "other layers: ['fc', 'fd']"


def test_where_a_library_sums_in_its_own_order_the_distance_is_judged(tmp_path: Path):
    version = Version(tmp_path / check.OTHER_ORDER[0], "resnet50", "none")
    assert judge(version, tmp_path, {"fc": np.float32([1, 2.00001])})[1] == ""
    assert judge(version, tmp_path, {"fc": np.float32([1, 2.001])})[1] != ""


def test_every_version_in_float32_takes_part_and_the_others_give_a_sentence(capsys):
    versions = discover(ROOT)
    assert [version.name for version in check.runnable(ROOT, ())] == [one.name for one in versions if not one.int8]
    said = capsys.readouterr().err
    assert all(f"{version.name} is skipped" in said for version in versions if version.int8)
    with pytest.raises(LadderError, match="none of these versions runs on ARM"):
        check.runnable(ROOT, [version.name for version in versions if version.int8])


def test_the_short_form_takes_two_versions_and_a_failure_is_told_with_exit_code_1(tmp_path: Path, monkeypatch, capsys):
    seen = []

    def judged(version, emulated, cpus, selected, begin):
        seen.append((version.name, *cpus))
        row = check.Row(version.name)
        row.add("bits, max", *(("the same", "") if len(seen) == 1 else ("differ", "the bits differ in fc")))
        return row

    monkeypatch.setattr(check, "check", judged)
    for name in ("need_tools", "need_processors", "prepare"):
        monkeypatch.setattr(machine, name, lambda *arguments: None)
    monkeypatch.setattr(check.installing, "held", lambda *arguments: nullcontext())
    assert main(["--short"]) == 1
    newest = [version for version in discover(ROOT) if not version.int8][-1]
    assert seen == [("04_avx2", "max"), (newest.name, "max")]
    captured = capsys.readouterr()
    assert f"{newest.name}, bits, max:\nthe bits differ in fc" in captured.err and "the same" in captured.out


def test_without_its_tools_there_is_one_line_that_says_how_to_get_them(monkeypatch, capsys):
    monkeypatch.setattr(machine.shutil, "which", lambda tool: None)
    assert main([]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "apt-get install gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu qemu-user" in err


def test_a_processor_that_qemu_does_not_know_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(machine.shutil, "which", lambda tool: tool)
    told = CompletedProcess([], 0, "Available CPUs:\n  cortex-a72\n  max\n")
    monkeypatch.setattr(machine.subprocess, "run", lambda command, **settings: told)
    assert main(["--cpus", "max,i486"]) == 2
    assert capsys.readouterr().err == "arm: qemu emulates no processor 'i486'; it knows cortex-a72, max\n"


def test_the_command_explains_itself_and_refuses_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0 and "--short" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["--quick"])
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_processors_that_agree_have_one_word_in_the_table(capsys: pytest.CaptureFixture[str]):
    agreed, apart = check.Row("01_one"), check.Row("02_two")
    for cpu in ("max", "old"):
        agreed.add(f"bits, {cpu}", "the same")
        apart.add(f"bits, {cpu}", "the same" if cpu == "max" else "differ")
    apart.add("loops", "46 without the stack")
    check.show([agreed, apart])
    out = " ".join(capsys.readouterr().out.split())
    assert "version bits loops" in out and "emulated (max, old);" in out
    assert "01_one the same 02_two max: the same 46 without the stack old: differ" in out
