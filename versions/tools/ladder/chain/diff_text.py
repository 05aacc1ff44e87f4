"""The difference of two versions on a terminal: removed lines above added ones, coloured by language and by word."""

import os
from collections.abc import Iterator, Sequence

from pygments.token import Whitespace
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.syntax import ANSI_DARK, ANSI_LIGHT, ANSISyntaxTheme, PygmentsSyntaxTheme, SyntaxTheme
from rich.text import Text

from ladder.chain.difference import Change, Row, blocks
from ladder.chain.passages import READ, Passage, excerpt
from ladder.core.highlight import Piece, mark, tokens
from ladder.core.terminal import printable

NARROWEST = 30  # columns; on a narrower terminal lines are folded as for this one
DEEPER = 4  # columns by which what follows a fold is indented
BLANK = Piece(Whitespace, "")
ASIDE = "Tests, README.md and pyproject.toml are only named. A name after the versions shows one of them, --full all."


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


def is_light(colours: str) -> bool:
    """Whether COLORFGBG, which many terminals set, declares a white background: "0;15" is black on white."""
    return colours.rpartition(";")[2] in ("7", "15")


class Difference:
    """Prints the changes of all files: first the lines to read, and then the files without these."""

    def __init__(self, console: Console, changes: list[Change]):
        self.console = console
        self.listings = [Listing(console, change) for change in changes]

    def show_passages(self, passages: Sequence[Passage]) -> None:
        """Print the passages below a heading; nothing if there are none."""
        if passages:
            self.announce(READ.format(sum(len(passage.lines) for passage in passages)))
        for passage in passages:
            for listing in self.listings:
                if listing.change.new == passage.path:
                    listing.print_passage(passage)

    def show_files(self, full: bool) -> None:
        """Print file by file what has not been printed yet; of tests, README.md and pyproject.toml a line each.

        `full`: all lines of all files, again if need be.
        """
        alone = True  # whether the last file had lines below its heading, or there was none
        for listing in self.listings:
            short = not full and (listing.change.aside or listing.is_seen())
            if alone or not short:
                self.console.print()
            alone = not short
            listing.print_heading()
            if not short:
                listing.print_lines(full)
        if not full and any(listing.change.aside for listing in self.listings):
            self.console.print()
            self.console.print(Text(ASIDE, style="dim italic"), soft_wrap=not self.console.is_terminal)

    def announce(self, title: str) -> None:
        """Print the heading of a part."""
        self.console.print()
        self.console.print(Text(title, style="bold underline"), soft_wrap=True)


def show_file(console: Console, change: Change, full: bool) -> None:
    """Print the changes of one file, whichever it is; `full`: its unchanged lines too."""
    listing = Listing(console, change)
    console.print()
    listing.print_heading()
    listing.print_lines(full)


class Listing:
    """Prints a file's changes: each line padded or folded to the width of a terminal, elsewhere as it is."""

    def __init__(self, console: Console, change: Change):
        self.console, self.change = console, change
        self.rows = change.rows()
        self.before, self.after = tokens(change.old or "", change.before), tokens(change.new or "", change.after)
        self.colours = Colours(is_light(os.environ.get("COLORFGBG", "")))
        self.width = max(console.width, NARROWEST) if console.is_terminal else 0
        self.seen: set[tuple[str, int | None]] = {("-", None), ("+", None)}  # signs and indices of printed lines
        self.above = 0  # how many of these have been left out since the last line

    def seen_rows(self) -> set[int]:
        """The indices of the rows of which nothing is left to print."""
        return {
            index
            for index, row in enumerate(self.rows)
            if ("+", row.new) in self.seen and (not row.changed or ("-", row.old) in self.seen)
        }

    def is_seen(self) -> bool:
        """Whether all that changed has been printed."""
        seen = self.seen_rows()
        return bool(seen) and all(index in seen for index, row in enumerate(self.rows) if row.changed)

    def print_heading(self) -> None:
        """Print the file's name, what happened to it, and the lines it gained and lost."""
        state = f"  {self.change.state}" if self.change.state else ""
        numbers = (("+", self.change.added), ("-", self.change.removed))
        counts = [f"{sign}{count}" for sign, count in numbers if count]
        above = ", shown above" if self.is_seen() else ""
        title = (f"== {self.change.title}", "bold cyan")
        self.console.print(Text.assemble(title, state, (f"  {' '.join(counts)}{above}", "dim")), soft_wrap=True)

    def print_passage(self, passage: Passage) -> None:
        """Print all lines of a passage, and those that they replace."""
        rows = list(excerpt(self.change, self.rows, passage))
        self.console.print()
        self.console.print(Text(f"== {passage.title}", style="bold cyan"), soft_wrap=True)
        for kind, run in blocks(rows):
            self.print_run(kind, run)
        self.seen |= {(sign, number) for row in rows for sign, number in (("-", row.old), ("+", row.new))}
        new = {row.new for row in self.rows if row.changed}
        stop = passage.lines.stop
        while stop in new and not self.after[stop]:  # nobody misses the blank lines behind it
            self.seen.add(("+", stop))
            stop += 1

    def print_lines(self, full: bool) -> None:
        """Print the file without unchanged parts and what has been printed before; `full`: all of it."""
        if full:
            self.seen = set()
        for kind, run in blocks(self.rows, self.seen_rows()):
            if kind == "seen":
                self.above += sum(row.new is not None for row in run)
            elif kind == "folded" and not full:
                self.print_above()
                self.print_note(f"{len(run)} unchanged lines")
            else:
                self.print_run(kind, run)
        self.print_above()

    def print_note(self, text: str) -> None:
        """Print a line that stands for others."""
        self.console.print(Text(f"     ... {text}", style="dim italic"))

    def print_above(self) -> None:
        """Print a line for the lines that have been left out since, if any, because they have been printed before."""
        if self.above:
            self.print_note(f"{self.above} line{'s' * (self.above != 1)} shown above")
        self.above = 0

    def print_run(self, kind: str, run: list[Row]) -> None:
        """Print those lines of a run of rows, changed or not, that have not been printed before."""
        for sign, number, line in signed(kind, run, self.before, self.after):
            if (sign, number) in self.seen:
                self.above += sign == "+"
                continue
            self.print_above()
            code = Text()
            for piece in line:
                code.append(printable(piece.text, keep="\t"), self.colours.style(sign, piece))
            self.print_line(f"{number + 1:4} {sign} ", sign, code)

    def print_line(self, edge: str, sign: str, code: Text) -> None:
        """Print a line of code behind an edge with its number; where it is folded, a mark stands for the number."""
        ground = self.colours.style(sign, BLANK)
        if self.width:
            code.expand_tabs(4)
        for part in folded(code, self.width - len(edge), ground) if self.width else [code]:
            text = Text.assemble((edge, self.colours.edge(sign)), part)
            if not self.width:
                text.rstrip()
            elif sign != " ":
                text.append(" " * (self.width - text.cell_len), ground)
            self.console.print(text, soft_wrap=True)
            edge = f"   > {sign} "[-len(edge) :]


def folded(code: Text, width: int, margin: Style) -> list[Text]:
    """A line in parts of at most `width` columns, cut after blanks where it has some, and indented after the first."""
    parts = []
    indent = len(code.plain) - len(code.plain.lstrip())
    deeper = min(indent + DEEPER, width // 2)
    while code.cell_len > width:
        fitting = next(end for end in range(len(code.plain), 0, -1) if cell_len(code.plain[:end]) <= width)
        cut = code.plain.rfind(" ", indent + 1, fitting + 1) + 1 or fitting
        head, code = code.divide([cut])
        head.rstrip()
        parts.append(head)
        code = Text.assemble((" " * deeper, margin), code)
        indent = deeper
    return [*parts, code]


def signed(
    kind: str, run: list[Row], before: list[list[Piece]], after: list[list[Piece]]
) -> Iterator[tuple[str, int, list[Piece]]]:
    """The lines of a run with their signs and indices: of a changed run first all removed, then all added lines."""
    if kind != "changed":
        yield from ((" ", row.new, after[row.new]) for row in run if row.new is not None)
        return
    yield from (("-", row.old, list(mark(before[row.old], row.old_words))) for row in run if row.old is not None)
    yield from (("+", row.new, list(mark(after[row.new], row.new_words))) for row in run if row.new is not None)
