"""Checkers that are shown a fault must find it, where it is ours."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladder.core.errors import LadderError
from ladder.core.versions import ROOT, discover, find
from scrutiny import analyzers, checkers, memcheck, networks
from scrutiny.analyzers import clang_tidy, commands, databases, fanalyzer
from scrutiny.checkers import report
from scrutiny.networks import LISTED

GCC = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
VALGRIND = pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
LEAK = """#include <stdlib.h>
int last(int count)
{
    int *numbers = calloc((size_t)count, sizeof(int));
    if (numbers == NULL)
        return 0;
    numbers[0] = count;
    if (count > 7)
        return 1;
    const int found = numbers[count - 1];
    free(numbers);
    return found;
}
"""
CLEAN = "int twice(int number)\n{\n    return 2 * number;\n}\n"


def database(folder: Path, code: str) -> Path:
    """A folder with a file and how it is compiled."""
    (folder / "code.c").write_text(code)
    entry = {"directory": str(folder), "file": "code.c", "command": "cc -O2 -Werror -Wall -o code.o -c code.c"}
    (folder / "compile_commands.json").write_text(json.dumps([entry]))
    return folder


@GCC
def test_fanalyzer_finds_what_is_never_freed_and_leaves_no_file(tmp_path):
    assert fanalyzer(database(tmp_path, CLEAN)) == []
    found = fanalyzer(database(tmp_path, LEAK))
    assert "leak of 'numbers'" in found[0]
    assert {path.name for path in tmp_path.iterdir()} == {"code.c", "compile_commands.json"}


def test_clang_tidy_finds_what_is_never_freed(tmp_path):
    assert clang_tidy(database(tmp_path, CLEAN), ROOT) == []
    assert "leak of memory" in clang_tidy(database(tmp_path, LEAK), ROOT)[0]


@GCC
def test_what_gcc_does_not_compile_is_a_finding(tmp_path):
    assert "error" in fanalyzer(database(tmp_path, "int twice(int number) {"))[0]


def test_fanalyzer_without_gcc_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(LadderError, match="gcc is needed"):
        fanalyzer(database(tmp_path, CLEAN))


def test_a_database_names_its_files_and_their_commands(tmp_path):
    assert commands(database(tmp_path, CLEAN)) == [
        (tmp_path / "code.c", ["cc", "-O2", "-Werror", "-Wall", "-o", "code.o", "-c", "code.c"])
    ]


def test_generated_c_is_among_what_is_analysed(tmp_path):
    _, made = databases(find(discover(ROOT), "07"), tmp_path)
    files = commands(made)
    assert made == tmp_path and len(files) > 15
    for file, command in files:
        assert file.is_file() and {"-O2", "-mfma"} < set(command)


def test_a_version_that_does_not_start_cannot_be_analysed(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET50_ISA", "none")
    with pytest.raises(LadderError, match="09_avx512: resnet50: RESNET50_ISA"):
        analyzers.generated(find(discover(ROOT), "09"), tmp_path)


REPORT = """<valgrindoutput>
<error><kind>{kind}</kind><what>Conditional jump</what>
  <stack>
    <frame><obj>/usr/lib/libc.so.6</obj><fn>memcpy</fn></frame>
    <frame><obj>{obj}</obj><fn>batch_norm</fn></frame>
  </stack>
</error>
</valgrindoutput>
"""


@pytest.mark.parametrize(
    ("kind", "obj", "ours"),
    [
        ("UninitCondition", "/e/site-packages/resnet50/ops.abi3.so", True),
        ("InvalidRead", f"/cache/{'0f' * 32}.so", True),
        ("ClientCheck", "/tmp/scratch/defined.so", True),
        ("Leak_DefinitelyLost", "/e/site-packages/resnet50/ops.abi3.so", True),
        ("Leak_PossiblyLost", "/e/site-packages/resnet50/ops.abi3.so", False),
        ("UninitCondition", "/usr/lib/libpython3.so", False),
        ("UninitCondition", "/e/site-packages/numpy/_core/_multiarray_umath.so", False),
    ],
)
def test_an_error_counts_where_something_of_ours_is_in_its_stack(tmp_path, kind, obj, ours):
    (tmp_path / "found.xml").write_text(REPORT.format(kind=kind, obj=obj))
    assert memcheck.findings(tmp_path / "found.xml") == ([f"{kind} in batch_norm: Conditional jump"] if ours else [])


def test_memcheck_without_valgrind_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(LadderError, match="valgrind is needed"):
        memcheck.compiled(tmp_path / "defined.so")


def test_any_finding_fails_and_is_shown(capsys):
    none = {name: [] for name in checkers.CHECKERS}
    assert report({"03_naive_c": none}) == 0
    assert capsys.readouterr().err == ""
    assert report({"03_naive_c": none, "04_avx2": none | {"memcheck": ["InvalidRead in relu"]}}) == 1
    assert capsys.readouterr().err == "04_avx2: InvalidRead in relu\n"


def test_a_version_without_c_has_nothing_to_check():
    with pytest.raises(LadderError, match="none of these versions has C"):
        checkers.checkers(ROOT, ["01"])


# What is done to a version's C, one of its files each.
FAULTS = {
    "relu.c": ("i < count", "i <= count"),
    "linear.c": ("o = 0; o < outputs", "o = 1; o < outputs"),
    "wrappers.c": ("in[0] * in[1] * in[2]);", "in[0] * in[1] * in[2]), views[1].obj = NULL; /* never given back */"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What memcheck finds in a version into which faults were planted."""
    root = tmp_path_factory.mktemp("planted")
    folder = shutil.copytree(find(discover(ROOT), "03").folder, root / "versions/03_naive_c")
    for name, (right, wrong) in FAULTS.items():
        path = folder / "src/resnet50/ops" / name
        assert path.read_text().count(right) == 1
        path.write_text(path.read_text().replace(right, wrong))
    scratch = root / "scratch"
    scratch.mkdir()
    return memcheck.memcheck(find(discover(root), "03"), scratch)


@VALGRIND
def test_memcheck_finds_a_read_and_a_write_past_the_end(found):
    assert any(line.startswith("InvalidRead in relu") for line in found)
    assert any(line.startswith("InvalidWrite in relu") for line in found)


@VALGRIND
def test_memcheck_finds_a_logit_that_nobody_wrote(found):
    assert any(line.startswith("ClientCheck in require_defined") for line in found)
    assert "the logits are wrong" in found


@VALGRIND
def test_memcheck_finds_an_array_that_is_never_freed(found):
    assert any(line.startswith("Leak_DefinitelyLost in py_add") for line in found)


def test_logits_in_8_bit_integers_must_be_those_in_whole_numbers_to_the_last_bit(version):
    weights, image = networks.random_tensors(LISTED[0], 0), networks.random_image(LISTED[0], 0)
    exact = networks.reference(ROOT).network(weights, image)["fc"].astype(np.float32)
    whole = networks.in_whole_numbers(weights, image)
    int8 = replace(version, int8=True)
    assert memcheck.is_right(int8, whole, weights, image) and memcheck.is_right(version, exact, weights, image)
    assert not memcheck.is_right(int8, np.nextafter(whole, np.float32(np.inf)), weights, image)
    assert not memcheck.is_right(version, whole, weights, image)
