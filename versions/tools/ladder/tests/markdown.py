"""What the repository's Markdown files hold: links, headings and commands."""

import re
import shlex
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ladder.core.files import names
from ladder.core.versions import ROOT

ASSIGNMENT = re.compile(r"[A-Z]\w*=")  # of a variable, before a command
COMMAND = re.compile(r"(\$ )?([A-Z]\w*=\S* )*(pipx run )?(nox -|python -m |build/\S+/python )")


def documents() -> list[Path]:
    """Every Markdown file of the repository."""
    return [ROOT / name for name in names(ROOT) if name.endswith(".md")]


def tokens(document: Path) -> Iterator[Token]:
    """A file's parts, those inside of a line too, in their order."""
    for token in MarkdownIt("commonmark").enable("table").parse(document.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links(document: Path) -> list[str]:
    """Where its links lead and its pictures lie."""
    targets = (token.attrs.get("href", token.attrs.get("src")) for token in tokens(document))
    return [str(target) for target in targets if target is not None]


def anchors(document: Path) -> set[str]:
    """The names under which GitHub lets one jump to its headings."""
    found, in_heading = set(), False
    for token in tokens(document):
        if in_heading and token.type == "inline":
            text = "".join(child.content for child in token.children or ()).lower()
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
        in_heading = token.type == "heading_open"
    return found


def commands(document: Path) -> list[list[str]]:
    """The commands that it tells the reader to type, in words, without variables that are set for them.

    Those with a gap to fill in, such as FILE, are left out.
    """
    lines = [
        line
        for token in tokens(document)
        if token.type == "code_inline" or (token.type == "fence" and not token.info)
        for line in token.content.splitlines()
    ]
    split = (shlex.split(line.removeprefix("$ "), comments=True) for line in lines if COMMAND.match(line))
    typed = [list(dropwhile(ASSIGNMENT.match, words)) for words in split]
    return [words for words in typed if not any(word.isupper() and word.isalpha() for word in words)]
