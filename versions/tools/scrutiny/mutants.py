"""Mutants: the sources of a version with one operator or one number changed.

Each is a bug that a programmer could have written: `<` for `<=`, `+` for `-`, 3 for 4. Pygments finds the places, in C
and in Python, so that comments, strings and preprocessor lines are left alone.
"""

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pygments.lexer import RegexLexer
from pygments.lexers import CLexer, PythonLexer
from pygments.token import Number, Operator, _TokenType

# Only operators between two spaces: as formatted by Ruff and clang-format, they have two operands. This excludes signs,
# pointers, and the stars of parameter lists.
OPERATORS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "==": "!=", "!=": "==", "&&": "||", "||": "&&", "and": "or", "or": "and", "+=": "-=", "-=": "+=",
}  # fmt: skip
LEXERS = {".py": PythonLexer, ".c": CLexer, ".h": CLexer}


@dataclass(frozen=True)
class Mutant:
    """`file` (relative to its version's folder) with `old` at `offset` (in characters) replaced by `new`."""

    file: Path
    line: int
    offset: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old} becomes {self.new}"

    def applied(self, text: str) -> str:
        """The file's text with the mutation."""
        return text[: self.offset] + self.new + text[self.offset + len(self.old) :]


def mutants(file: Path, text: str) -> Iterator[Mutant]:
    """Every mutant of a source file, except Python that cannot be parsed; C is left to the compiler."""
    for offset, kind, token in tokens(LEXERS[file.suffix](stripnl=False, ensurenl=False), text):
        end = offset + len(token)
        new = None
        if kind in Operator and text[offset - 1 : offset] == " " == text[end : end + 1]:
            new = OPERATORS.get(token)
        elif kind in Number and re.fullmatch(r"\d+", token):
            new = str(int(token) + 1)
        if new is not None:
            mutant = Mutant(file, text.count("\n", 0, offset) + 1, offset, token, new)
            if file.suffix != ".py" or is_python(mutant.applied(text)):
                yield mutant


def tokens(lexer: RegexLexer, text: str) -> Iterator[tuple[int, _TokenType, str]]:
    """Pygments' tokens, with operators such as <=, which it takes apart, in one piece."""
    for is_operator, group in groupby(lexer.get_tokens_unprocessed(text), lambda token: token[1] is Operator):
        if is_operator:
            parts = list(group)
            yield parts[0][0], Operator, "".join(token for _, _, token in parts)
        else:
            yield from group


def is_python(text: str) -> bool:
    """Whether the text can be parsed."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def sample(folder: Path, count: int, seed: int) -> list[Mutant]:
    """`count` mutants of a version's sources, drawn at random from all possible ones, in the order of the files."""
    files = sorted(path for path in (folder / "src").rglob("*") if path.suffix in LEXERS)
    found = [mutant for path in files for mutant in mutants(path.relative_to(folder), path.read_text(encoding="utf-8"))]
    return sorted(random.Random(seed).sample(found, min(count, len(found))), key=lambda each: (each.file, each.offset))
