"""The precompiled header: gcc takes it for the flags it was made with, and it is gone afterwards."""

import os
import shutil
import subprocess

import pytest

from ladder.core.compiler import version_of
from ladder.core.precompiled import precompiled
from ladder.core.versions import read

from .conftest import Tree, write

FLAGS = ["-std=c11", "-O2", "-fPIC", "-DTHIRD"]
INCLUDED = "#include <stdint.h>\nint32_t x;\n"
SETS = """
class Set:
    header, flags = "stdint.h", ("-DTHIRD",)
def instruction_set():
    return Set
"""
COMPILER = f"""
class Compiler:
    def __init__(self, isa):
        self.command = ["gcc", *{FLAGS}, "-x", "c", "-"]
"""


@pytest.fixture
def generating(tree: Tree, fake):
    """Two versions that generate C, and one that does not and has no compiler."""
    for name in ("01_one", "02_two", "03_three"):
        fake(name, {}, generates=name != "01_one")
        if name != "01_one":
            write(tree.root / "build" / name / "resnet50" / "instruction_sets.py", SETS)
            write(tree.root / "build" / name / "resnet50" / "compiler.py", COMPILER)
    return [read(tree.root / "versions" / name) for name in ("01_one", "02_two", "03_three")]


def read_headers(*flags: str) -> str:
    """The headers that gcc reads, one in each line; "!" is before what was precompiled."""
    command = ["gcc", "-H", *flags, "-c", "-x", "c", "-", "-o", os.devnull]
    return subprocess.run(command, input=INCLUDED, text=True, capture_output=True, check=True).stderr


@pytest.mark.skipif("Free Software Foundation" not in version_of("gcc"), reason="there is no gcc")
def test_gcc_takes_it_if_the_flags_are_the_same(generating, monkeypatch, tmp_path):
    monkeypatch.setenv("CPATH", str(tmp_path))
    with precompiled(generating):
        own, *others = os.environ["CPATH"].split(os.pathsep)
        assert others == [str(tmp_path)]
        assert f"! {own}/stdint.h.gch/-DTHIRD" in read_headers(*FLAGS)
        assert "!" not in read_headers(*FLAGS[:-1])
    assert os.environ["CPATH"] == str(tmp_path) and not os.path.exists(own)


def test_a_version_whose_header_cannot_be_compiled_is_left_as_it_is(generating, tree: Tree, monkeypatch):
    monkeypatch.delenv("CPATH", raising=False)
    for name in ("02_two", "03_three"):
        shutil.rmtree(tree.root / "build" / name / "resnet50")
    with precompiled(generating):
        assert os.listdir(os.environ["CPATH"]) == []
    assert "CPATH" not in os.environ
