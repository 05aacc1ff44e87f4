"""A small version in C, really built in each way: what the builds are for shows in what becomes of its mistakes."""

import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.assembly import asm, generated
from ladder.assembly.asm import Unit, choose, flags, units
from ladder.assembly.objdump import Function, disassemble
from ladder.core import compiler, environment, processor
from ladder.core.versions import read

from .conftest import Tree, write

PYPROJECT = """
[build-system]
build-backend = "mesonpy"
requires = ["meson-python>=0.19"]

[project]
name = "resnet50-02-c"
version = "1"

[tool.ladder]
previous = "01_python"
idea = "C with mistakes"
"""
MESON = """
project('resnet50', 'c', meson_version: '>=1.4', default_options: ['c_std=c11', 'warning_level=2'])
py = import('python').find_installation(pure: false)
py.extension_module('resnet50', 'src/mistakes.c', 'src/sum.c', install: true)
"""
SUM = """
float sum(const float *x, int n)
{
    float total = 0.0f;
    for (int i = 0; i < n; i++)
        total += x[i];
    return total;
}
"""
# Writes two files, as a version's command `codegen` does.
CODEGEN = """
import os
for name in ("transform", "products"):
    open(name + ".c", "w").write("int " + name + "(int x)\\n{\\n    return x + 1;\\n}\\n")
    print(os.path.abspath(name + ".c") + ": layer1.0.relu2, layer1.1.relu2")
print("\\n2 files for 2 layers. What they are compiled with: -O2 -fPIC")
"""
MISTAKES = """
#include <Python.h>

float sum(const float *x, int n);

/* Reads the first n of four numbers: beyond their end if n is 5. */
static PyObject *total(PyObject *self, PyObject *n)
{
    (void)self;
    float *numbers = calloc(4, sizeof *numbers);
    const float found = sum(numbers, (int)PyLong_AsLong(n));
    free(numbers);
    return PyFloat_FromDouble(found);
}

/* Overflows if n is the largest int. */
static PyObject *next(PyObject *self, PyObject *n)
{
    (void)self;
    return PyLong_FromLong((int)PyLong_AsLong(n) + 1);
}

static PyMethodDef functions[] = {{"total", total, METH_O, NULL}, {"next", next, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "resnet50", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit_resnet50(void)
{
    return PyModule_Create(&module);
}
"""
TESTS = """
import subprocess, sys
import resnet50

def test_inside():
    assert resnet50.total(4) == 0 and resnet50.next(1) == 2

def test_outside():
    resnet50.total(5)

def test_overflow():
    resnet50.next(2**31 - 1)

def test_a_child_process():
    command = [sys.executable, "-c", "import resnet50; print(resnet50.next(4))"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("5\\n", "", 0)
"""

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a version without C, and one in C whose tests lead it to its mistakes."""
    tree = Tree(tmp_path_factory.mktemp("repository"))
    tree.version("01_python", {"meson.build": "project('resnet50', meson_version: '>=1.4')\n"})
    folder = tree.root / "versions" / "02_c"
    write(folder / "pyproject.toml", PYPROJECT)
    write(folder / "meson.build", MESON)
    write(folder / "src" / "mistakes.c", MISTAKES)
    write(folder / "src" / "sum.c", SUM)
    write(folder / "tests" / "test_mistakes.py", TESTS)
    return tree.root


def test_the_release_does_not_notice_the_mistakes(root: Path, capfd):
    assert main(["test", "02", "-q"], root) == 0
    assert "4 passed" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [("outside", "AddressSanitizer: heap-buffer-overflow"), ("overflow", "runtime error: signed integer overflow")],
)
def test_the_sanitizers_end_the_tests_at_a_mistake_and_say_where(name: str, words: str, root: Path, capfd):
    assert main(["test", "02", "--build", "sanitize", "-k", name], root) != 0
    err = capfd.readouterr().err
    assert words in err and ("sum.c:6" in err or "mistakes.c:20" in err)


def test_the_sanitizers_let_through_what_is_right(root: Path, capfd):
    """Child processes too: they inherit the libraries that must be loaded before Python."""
    assert main(["test", "--build", "sanitize", "02", "-k", "inside or child", "-q"], root) == 0
    assert "2 passed" in capfd.readouterr().out


@pytest.mark.parametrize("command", [["test"], ["build"]])
def test_a_version_without_c_has_nothing_to_sanitize(command: list[str], root: Path, capsys):
    assert main([*command, "01", "--build", "sanitize"], root) == 0
    assert "01_python is skipped: it has no C" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("clang"), reason="there is no clang")
def test_clang_builds_it_and_its_warnings_are_errors(root: Path, capsys):
    assert main(["build", "02", "--build", "clang"], root) == 0
    assert "02_c (clang) is built" in capsys.readouterr().out
    source = root / "versions" / "02_c" / "src" / "sum.c"
    source.write_text(SUM.replace("return total;", "if ((n == 0))\n        return 0.0f;\n    return total;"))
    try:
        assert main(["build", "02"], root) == 0  # gcc says nothing to doubled parentheses
        assert main(["build", "02", "--build", "clang"], root) == 2
        assert "-Wparentheses-equality" in capsys.readouterr().err
    finally:
        source.write_text(SUM)


@pytest.mark.parametrize(
    ("build", "named", "sentence"),
    [
        ("clang", "cc", "clang is needed for this build, and was not found"),
        ("sanitize", "cc", "gcc is needed for this build, and was not found"),
        ("release", "my-cc -m64", "CC names the C compiler 'my-cc', which was not found"),
        ("release", "'my cc", 'CC is "\'my cc", which is no command: No closing quotation'),
        ("release", "", "a C compiler is needed; none of cc, gcc, clang was found"),
        ("release", " ", "a C compiler is needed; none of cc, gcc, clang was found"),
    ],
)
def test_a_missing_compiler_gives_a_sentence(build: str, named: str, sentence: str, root: Path, capsys, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.setenv("CC", named)
    assert main(["build", "02", "--build", build], root) == 2
    assert capsys.readouterr().err == f"ladder: {sentence}\n"


def test_missing_headers_give_a_sentence(root: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(compiler.sysconfig, "get_path", lambda name: str(tmp_path))
    assert main(["build", "02"], root) == 2
    assert "this Python's C headers are needed" in capsys.readouterr().err


needs_objdump = pytest.mark.skipif(
    "x86_64" not in processor.features() or not shutil.which("objdump"), reason="no objdump for x86-64"
)


@needs_objdump
def test_asm_shows_the_functions_of_a_file_with_their_source(root: Path, capsys, tmp_path: Path):
    assert main(["asm", "02", "sum"], root) == 0
    out = capsys.readouterr().out
    assert "02_c, sum.c, compiled by" in out and "-O3" in out
    assert "\nsum:\n" in out and "sum.c:6  total += x[i];" in out and "  | " in out and "total:" not in out
    assert main(["asm", "02", "sum.c", "--out", str(tmp_path / "sum.txt")], root) == 0
    assert capsys.readouterr().out == ""
    assert "sum.c:6  total += x[i];" in (tmp_path / "sum.txt").read_text()


@needs_objdump
def test_asm_shows_one_function_by_its_name(root: Path, capsys):
    assert main(["asm", "2", "next"], root) == 0
    out = capsys.readouterr().out
    assert "02_c, mistakes.c" in out and "\nnext:\n" in out and "\ntotal:\n" not in out
    assert "call         PyLong_AsLong" in out or "PyLong_AsLong@GOTPCREL" in out


@needs_objdump
def test_asm_shows_the_code_of_the_release(root: Path):
    version = read(root / "versions" / "02_c")
    code = []
    for build in ("release", "asm"):
        environment.python(version, build)
        found = units(environment.home_of(version, build) / "meson")
        code.append(
            [
                [(function.name, [str(one) for one in function.instructions]) for function in functions]
                for functions in (disassemble(unit.target, version.folder) for unit in found)
            ]
        )
    assert code[0] == code[1]


@needs_objdump
def test_asm_shows_generated_c_by_its_layer_and_by_its_name(tree: Tree, weight_set: Path, monkeypatch):
    version = replace(read(tree.version("07_seven")), generates=True)
    interpreter = tree.root / "python"
    write(interpreter, f'#!/bin/sh\nshift 6\nmkdir -p "$1" && cd "$1" && {sys.executable} -c {shlex.quote(CODEGEN)}\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(environment, "python", lambda version: interpreter)
    monkeypatch.setattr(generated.weights, "find", lambda name: weight_set)
    for wanted in ("layer1.0.relu2", "products", "products.c"):
        *first, (unit, [function]) = asm.generated_units(version, wanted)
        assert len(first) == (wanted == "layer1.0.relu2")
        assert unit.source.name == "products.c" and function.name == "products" and unit.flags == "-O2 -fPIC"
        assert {one.source and one.source[0].name for one in function.instructions} == {"products.c"}
    assert asm.generated_units(version, "layer1.0") == []
    assert asm.generated_units(replace(version, generates=False), "products") == []


@needs_objdump
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["03", "sum"], "there is no version '03'"),
        (["02", "conv2d"], "02_c has no C file and no compiled function 'conv2d'; its files are mistakes.c, sum.c"),
        (["01", "conv2d"], "01_python has no C"),
        (["02", "sum", "--out", "/no/such/folder/x"], "/no/such/folder/x: No such file"),
    ],
)
def test_asm_refuses_what_is_not_there(arguments: list[str], complaint: str, root: Path, capsys):
    assert main(["asm", *arguments], root) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") <= 2 and complaint in captured.err


def test_variants_that_the_compiler_made_of_a_function_are_found_by_its_name(tree: Tree, monkeypatch):
    functions = [Function("conv2d_rest"), Function("conv2d.constprop.0"), Function("conv2d.cold")]
    monkeypatch.setattr(asm, "disassemble", lambda file, folder: functions)
    unit = Unit(Path("kernels.c"), Path("kernels.o"), "")
    assert choose(read(tree.version("01_one")), [unit], "conv2d") == (unit, functions[1:])


def test_of_the_compilers_arguments_those_are_shown_that_say_what_code_to_make():
    command = "cc -Isrc -fvisibility=hidden -fdiagnostics-color=always -DNDEBUG -Wall -std=c11 -O2 -mavx2 -o a.o -c a.c"
    assert flags(command) == "-std=c11 -O2 -mavx2"
