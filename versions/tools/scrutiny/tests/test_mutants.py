"""Mutants: each is a small bug, and nothing else in the file changes."""

from pathlib import Path

import pytest

from scrutiny.mutants import mutants, sample

PYTHON = '''"""Docstring: 1 + 2."""
def f(a, *, b=-1):  # 3 < 4
    return a * b + 10 if a <= b and f"{a} + 1" else 0x10
'''
C = """#include <stdio.h>
/* 1 + 2 */
static float *f(const float *x, int n) { return n < 3 && *x > -1.5f ? "5 + 6" : x + n; }
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", PYTHON, {"1": "2", "*": "+", "+": "-", "10": "11", "<=": "<", "and": "or"}),
        ("a.c", C, {"<": "<=", "3": "4", "&&": "||", ">": ">=", "+": "-"}),
    ],
)
def test_operators_and_numbers_are_changed_and_nothing_in_comments_or_strings(name, text, expected):
    found = list(mutants(Path(name), text))
    assert {mutant.old: mutant.new for mutant in found} == expected
    for mutant in found:
        changed = mutant.applied(text)
        line = text.splitlines()[mutant.line - 1]
        assert [(a, b) for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b] == [
            (line, changed.splitlines()[mutant.line - 1])
        ]
        assert mutant.old in line


def test_the_same_seed_draws_the_same_mutants(tmp_path: Path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(PYTHON)
    (tmp_path / "src" / "b.c").write_text(C)
    (tmp_path / "src" / "meson.build").write_text("1 + 2")
    drawn = sample(tmp_path, 5, seed=3)
    assert drawn == sample(tmp_path, 5, seed=3) != sample(tmp_path, 5, seed=4)
    assert len(drawn) == 5 and len(sample(tmp_path, 10**6, seed=3)) == 11
    assert {str(mutant.file) for mutant in drawn} <= {"src/a.py", "src/b.c"}
