"""The lengths that CONTRIBUTING.md allows: functions of at most 40 lines, files of at most 300, in all source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ladder.core.files import names
from ladder.core.versions import ROOT

FUNCTION, FILE = 40, 300
AS_IT_RAN = "shared_weights/cifar10/train.py"  # the record of how the shipped weights were trained
SOURCE = re.compile(r"noxfile\.py|(versions/\d\d_\w+/src|versions/tools|cv_basics|mnist|shared_weights)/.*\.(py|c|h)")
# clang-format puts the braces of a function, and of nothing else but what ends with `;`, at the beginning of a line.
BODY = re.compile(r"^\{\n.*?^\}$", re.MULTILINE | re.DOTALL)


def sources() -> list[Path]:
    """All source files of the repository, without tests."""
    return [
        ROOT / name for name in names(ROOT) if SOURCE.fullmatch(name) and "/tests/" not in name and name != AS_IT_RAN
    ]


def functions(file: Path) -> Iterator[tuple[int, int]]:
    """The first line of each function in the file, and how many lines it has; of C the lines of its body."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.lineno, (node.end_lineno or 0) - node.lineno + 1
    else:
        for body in BODY.finditer(text):
            yield text.count("\n", 0, body.start()) + 1, body[0].count("\n") + 1


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_functions_and_files_are_short(file: Path):
    long = [f"line {line}: {length} lines" for line, length in functions(file) if length > FUNCTION]
    assert not long
    assert len(file.read_text(encoding="utf-8").splitlines()) <= FILE


def test_the_lengths_are_those_of_the_functions(tmp_path: Path):
    (tmp_path / "a.py").write_text("def one():\n    def two():\n        pass\n\n    return two\n")
    (tmp_path / "a.c").write_text("struct a {\n    int b;\n};\nint one(void)\n{\n    if (1) {\n    }\n}\n")
    assert list(functions(tmp_path / "a.py")) == [(1, 5), (2, 2)]
    assert list(functions(tmp_path / "a.c")) == [(5, 4)]
