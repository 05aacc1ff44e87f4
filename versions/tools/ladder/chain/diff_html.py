"""The difference of two versions as HTML, side by side; on a narrow screen removed lines above added ones."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from pygments.formatters import HtmlFormatter
from pygments.token import STANDARD_TYPES, Whitespace

from ladder.chain.difference import Change, Row, Spans, blocks
from ladder.chain.passages import READ, REST, Passage, excerpt
from ladder.core.highlight import Kind, Piece, mark, tokens
from ladder.core.html_page import document
from ladder.core.terminal import printable

STYLES = {"light": "xcode", "dark": "github-dark"}  # Pygments' names
SHEET = Path(__file__).with_name("diff.css")
Tokens = list[list[Piece]]


def page(title: str, ideas: list[tuple[str, str]], measured: str, total: str, difference: str) -> str:
    """A self-contained page: the ideas of the steps between the versions, the gain, and the difference, a fragment."""
    steps = "".join(f"<dt>{escape(name)}</dt><dd>{escape(idea)}</dd>" for name, idea in ideas)
    body = (
        f'<body class="ladder-diff-page">\n<h1>{escape(title)}</h1>\n<dl class="ladder-diff-ideas">{steps}</dl>\n'
        f"<p>{escape(measured)}</p>\n<p>{escape(total)}</p>\n{difference}</body>"
    )
    return document(title, stylesheet(), body)


def stylesheet(dark: str | None = None) -> str:
    """The CSS of `fragment`. `dark`: a selector that matches a dark page; None: the system decides."""
    light_tokens, dark_tokens = (colours(style, (dark or "") * (name == "dark")) for name, style in STYLES.items())
    plain, night = SHEET.read_text(encoding="utf-8").split("/* dark */\n")
    if dark is None:
        return f"{plain}{light_tokens}@media (prefers-color-scheme: dark) {{\n{night}{dark_tokens}}}\n"
    return f"{plain}{light_tokens}{night.replace(':root', dark)}{dark_tokens}"


def colours(style: str, where: str) -> str:
    """The rules for a Pygments style's tokens, in elements that `where` selects."""
    formatter = HtmlFormatter(style=style)
    return "".join(f"{rule}\n" for rule in formatter.get_token_style_defs(f"{where} .ladder-diff".strip()))


def fragment(changes: list[Change], passages: Sequence[Passage] = (), full: bool = False) -> str:
    """The passages, the list of files and their lines, as one element of class `ladder-diff`.

    For a page that has `stylesheet`. The reader can unfold unchanged parts, tests, READMEs and metadata; `full`: they
    start unfolded.
    """
    rows = "".join(
        f'<tr><td><a href="#{anchor(change)}">{escape(printable(change.title))}</a> <i>{change.state}</i></td>'
        f"<td>{count('+', change.added)}</td><td>{count('-', change.removed)}</td></tr>\n"
        for change in changes
    )
    files = "".join(file(change, full) for change in changes)
    table = f'<table class="files">\n{rows}</table>\n'
    return f'<div class="ladder-diff">\n{reading(changes, passages)}{table}{files}</div>\n'


def reading(changes: list[Change], passages: Sequence[Passage]) -> str:
    """The passages, under a heading of their own; empty if there are none."""
    if not passages:
        return ""
    found = {change.new: change for change in changes}
    parts = "".join(passage(found[one.path], one) for one in passages if one.path in found)
    return f"<h3>{READ.format(sum(len(one.lines) for one in passages))}</h3>\n{parts}<h3>{REST}</h3>\n"


def anchor(change: Change) -> str:
    """The HTML id of a file's section."""
    return "diff-" + re.sub(r"[^\w]+", "-", change.path)


def count(sign: str, lines: int) -> str:
    """A count of lines with its sign; empty if there are none."""
    return f'<span class="{"plus" if sign == "+" else "minus"}">{sign}{lines}</span>' if lines else ""


def passage(change: Change, one: Passage) -> str:
    """The lines of a passage, with those that they replace."""
    title = f"<code>{escape(printable(one.title))}</code>"
    runs = list(blocks(list(excerpt(change, change.rows(), one))))
    return details(change, title, "open", runs, full=True)


def file(change: Change, full: bool) -> str:
    """One file: a heading that folds it, and its lines."""
    counts = f"{count('+', change.added)} {count('-', change.removed)}"
    title = f"<code>{escape(printable(change.title))}</code> <i>{change.state}</i> {counts}"
    opened = " open" if full or not change.aside else ""
    return details(change, title, f'id="{anchor(change)}"{opened}', list(blocks(change.rows())), full)


def details(change: Change, title: str, attributes: str, runs: list[tuple[str, list[Row]]], full: bool) -> str:
    """A heading that folds what is below it: runs of lines, in the full width if all are of one side."""
    before, after = tokens(change.old or "", change.before), tokens(change.new or "", change.after)
    rows = [row for _, run in runs for row in run]
    shape = "both" if any(row.old is not None for row in rows) and any(row.new is not None for row in rows) else "alone"
    parts = "".join(part(kind, run, before, after, full) for kind, run in runs)
    return f'<details class="file {shape}" {attributes}>\n<summary>{title}</summary>\n{parts}</details>\n'


def part(kind: str, run: list[Row], before: Tokens, after: Tokens, full: bool) -> str:
    """A run of lines of one kind."""
    name = "changed" if kind == "changed" else "same"
    grid = f'<div class="lines {name}">\n{"".join(cells(run, before, after))}</div>\n'
    if kind != "folded":
        return grid
    opened = " open" if full else ""
    return f'<details class="fold"{opened}><summary>{len(run)} unchanged lines</summary>\n{grid}</details>\n'


def cells(run: list[Row], before: Tokens, after: Tokens) -> Iterator[str]:
    """The lines of both sides in turn, with an empty cell where a side has no line."""
    for row in run:
        yield cell("old", row.old, before, row.old_words)
        yield cell("new", row.new, after, row.new_words)


def cell(side: str, number: int | None, text: Tokens, words: Spans) -> str:
    """One line; its number is an attribute, so that it is not copied along with the text."""
    if number is None:
        return f'<div class="{side} none"></div>\n'
    line = "".join(span(piece) for piece in mark(text[number], words))
    return f'<div class="{side}" data-line="{number + 1}">{line}</div>\n'


def span(piece: Piece) -> str:
    """A token in its colour, marked where it has changed."""
    text, name = escape(printable(piece.text, keep="\n\t"), quote=False), css_class(piece.kind)
    text = f'<span class="{name}">{text}</span>' if name else text
    return f"<mark>{text}</mark>" if piece.changed else text


def css_class(kind: Kind) -> str:
    """Pygments' short name of a token's kind; empty for a kind without its own colour."""
    while kind not in STANDARD_TYPES:
        kind = kind.parent
    return "" if kind is Whitespace else STANDARD_TYPES[kind]
