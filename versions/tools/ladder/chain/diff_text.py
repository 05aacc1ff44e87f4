"""The difference of two versions on a terminal: removed lines above added ones, coloured by language and by word."""

import os
from collections.abc import Iterator

from pygments.token import Whitespace
from rich.console import Console
from rich.style import Style
from rich.syntax import ANSI_DARK, ANSI_LIGHT, ANSISyntaxTheme, PygmentsSyntaxTheme, SyntaxTheme
from rich.text import Text

from ladder.chain.difference import Change, Row, blocks
from ladder.core.highlight import Piece, mark, tokens
from ladder.core.terminal import printable

LONG = 60  # lines; a new or removed test longer than this is not shown in full ...
HEAD = 20  # ... but only this many lines of it
BLANK = Piece(Whitespace, "")


class Colours:
    """The look of the lines on a dark or a light terminal.

    Changed lines have their own background, and so can have any colours. Unchanged lines have the terminal's, about
    which COLORFGBG may be wrong, and so use colours of the terminal's own palette.
    """

    def __init__(self, light: bool):
        self.plain: SyntaxTheme = ANSISyntaxTheme(ANSI_LIGHT if light else ANSI_DARK)
        self.changed: SyntaxTheme = PygmentsSyntaxTheme("xcode" if light else "github-dark")
        red = ("#ffebe9", "#ffb8b0") if light else ("#3d1a1d", "#8a2b30")
        green = ("#dafbe1", "#90e3a5") if light else ("#12331f", "#1f7038")
        self.grounds = {"-": red, "+": green}  # backgrounds of a line, and of a changed word in it

    def style(self, sign: str, piece: Piece) -> Style:
        """The style of a token in a line with this sign."""
        if sign not in self.grounds:
            return self.plain.get_style_for_token(piece.kind)
        ground = Style(bgcolor=self.grounds[sign][piece.changed], bold=piece.changed or None)
        return self.changed.get_style_for_token(piece.kind) + ground

    def edge(self, sign: str) -> Style:
        """The style of a line's number and sign."""
        if sign not in self.grounds:
            return Style(dim=True)
        return Style(color="red" if sign == "-" else "green", bold=True)


def show(console: Console, changes: list[Change], full: bool = False) -> None:
    """Print the changes file by file; `full`: unchanged parts and long tests too. Lines are not wrapped."""
    colours = Colours(is_light(os.environ.get("COLORFGBG", "")))
    width = console.width if console.is_terminal else 0
    for change in changes:
        console.print()
        console.print(heading(change), soft_wrap=True)
        for line in listing(change, colours, width, full):
            console.print(line, soft_wrap=True)


def is_light(colours: str) -> bool:
    """Whether COLORFGBG, which many terminals set, declares a white background: "0;15" is black on white."""
    return colours.rpartition(";")[2] in ("7", "15")


def heading(change: Change) -> Text:
    """The heading of a file: its name, what happened to it, and the lines it gained and lost."""
    state = f"  {change.state}" if change.state else ""
    counts = [f"{sign}{count}" for sign, count in (("+", change.added), ("-", change.removed)) if count]
    return Text.assemble((f"== {change.title}", "bold cyan"), state, (f"  {' '.join(counts)}", "dim"))


def listing(change: Change, colours: Colours, width: int, full: bool) -> Iterator[Text]:
    """The file's lines, each padded to `width`, without unchanged parts unless `full`."""
    before, after = tokens(change.old or "", change.before), tokens(change.new or "", change.after)
    alone = change.old is None or change.new is None
    rows = change.rows()
    cut = HEAD if alone and not full and change.path.startswith("tests/") and len(rows) > LONG else len(rows)
    for kind, run in blocks(rows[:cut]):
        if kind == "folded" and not full:
            yield note(f"{len(run)} unchanged lines")
            continue
        for sign, number, line in signed(kind, run, before, after):
            text = Text.assemble((f"{number + 1:4} {sign} ", colours.edge(sign)))
            for piece in line:
                text.append(printable(piece.text, keep="\t"), colours.style(sign, piece))
            if sign != " " and text.cell_len < width:
                text.append(" " * (width - text.cell_len), colours.style(sign, BLANK))
            if not width:
                text.rstrip()
            yield text
    if cut < len(rows):
        yield note(f"{len(rows) - cut} more lines of a {change.state} test; --full shows them")


def signed(
    kind: str, run: list[Row], before: list[list[Piece]], after: list[list[Piece]]
) -> Iterator[tuple[str, int, list[Piece]]]:
    """The lines of a run with their signs and indices: of a changed run first all removed, then all added lines."""
    if kind != "changed":
        yield from ((" ", row.new, after[row.new]) for row in run if row.new is not None)
        return
    yield from (("-", row.old, list(mark(before[row.old], row.old_words))) for row in run if row.old is not None)
    yield from (("+", row.new, list(mark(after[row.new], row.new_words))) for row in run if row.new is not None)


def note(text: str) -> Text:
    """A line that stands for lines left out."""
    return Text(f"     ... {text}", style="dim italic")
