"""Syntax highlighting: the text of a file as lines of tokens, by Pygments."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.token import Comment, String
from pygments.util import ClassNotFound

Kind = Any  # one of pygments.token; Pygments has no type hints
CODE = {".py": "Python", ".c": "C", ".h": "C"}  # suffixes of the files whose lines of code are counted


@dataclass(frozen=True)
class Piece:
    """A part of a line: a token, or the part of one that lies inside or outside a change."""

    kind: Kind
    text: str
    changed: bool = False


def lexer(path: str) -> Lexer:
    """The lexer for a file of this name; for unknown kinds one without rules."""
    try:
        return get_lexer_for_filename(PurePosixPath(path).name)
    except ClassNotFound:
        return TextLexer()


def tokens(path: str, lines: list[str]) -> list[list[Piece]]:
    """The tokens of each line; a comment or string of several lines is split at the line ends."""
    found: list[list[Piece]] = [[] for _ in lines] or [[]]
    number = 0
    for _, kind, text in lexer(path).get_tokens_unprocessed("\n".join(lines)):
        first, *rest = text.split("\n")
        for index, part in enumerate([first, *rest]):
            number += index > 0
            if part:
                found[number].append(Piece(kind, part))
    return found[: len(lines)]


def mark(line: list[Piece], spans: tuple[tuple[int, int], ...]) -> Iterator[Piece]:
    """The pieces of a line, split where a change begins or ends; those inside are marked."""
    edges = sorted({edge for span in spans for edge in span})
    start = 0
    for piece in line:
        end = start + len(piece.text)
        cuts = [start, *(edge for edge in edges if start < edge < end), end]
        for left, right in pairwise(cuts):
            inside = any(first <= left and right <= last for first, last in spans)
            yield Piece(piece.kind, piece.text[left - start : right - start], inside)
        start = end


def language(path: str) -> str | None:
    """The language of a file, Python or C; None if its lines are not counted as code."""
    return CODE.get(PurePosixPath(path).suffix)


@cache  # most files are the same in several versions
def lines_of_code(path: str, text: str) -> int:
    """The number of lines of code: lines with more than blanks, comments and docstrings."""
    return sum(
        any(is_code(piece.kind) and not piece.text.isspace() for piece in line)
        for line in tokens(path, text.split("\n"))
    )


def is_code(kind: Kind) -> bool:
    """Whether a token belongs to neither a comment nor a docstring; preprocessor directives are code."""
    return kind in Comment.Preproc or kind in Comment.PreprocFile or not (kind in Comment or kind in String.Doc)
