"""Draws a recording as an SVG that moves by itself, without a script: each line is shown while it was on the screen.

The lines that stay until the end are visible without any animation: that is what readers see who have asked their
system for less motion, and programs that know no CSS.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte

from figures.recording import Recording
from ladder.core.errors import LadderError
from shared_weights.tensor_file import appearing_whole
from shared_weights.themes import PALETTE

WIDTH, PAD, LINE = 580, 11, 19  # pixels, as wide as the chart
STEP = 0.4  # seconds: of screens that follow one another faster only the last is shown
MOST = 40  # steps: what took longer is shown faster
PROMPT, LONGEST, LAST = 1.2, 1.5, 12.0  # seconds: of the command alone, of any other screen at most, of the last one
PLAYED = 3  # times; then the last screen stays
FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"

# pyte's names of a terminal's colours, and the roles in `shared_weights.themes` that stand for them here.
ROLES = {
    "default": "ink",
    "blue": "blue",
    "cyan": "blue",
    "magenta": "blue",
    "green": "green",
    "red": "red",
    "brown": "orange",
    "ff005f": "red",  # rich's bar, as far as it has come
    "5faf00": "green",  # and when it is complete
    "3a3a3a": "rule",  # and its rest
}


@dataclass(frozen=True)
class Piece:
    """A part of a line without two spaces in a row, all in one style."""

    column: int
    text: str
    role: str
    bold: bool


Line = tuple[Piece, ...]


@dataclass(frozen=True)
class Frame:
    """All lines of the screen, from a moment on: in seconds since the beginning of the drawing."""

    begins: float
    lines: tuple[Line, ...]


class Screen(pyte.Screen):
    """A terminal's screen that also knows faint text, which it keeps as blinking: nothing here blinks."""

    def select_graphic_rendition(self, *attributes: int, **settings: Any) -> None:
        """Set the style of what follows."""
        faint = [5 if attribute == 2 else attribute for attribute in attributes]
        super().select_graphic_rendition(*(attributes if attributes[:1] in ((38,), (48,)) else faint), **settings)

    def content(self) -> tuple[Line, ...]:
        """What stands on it."""
        return tuple(tuple(pieces(self.buffer[row], self.columns)) for row in range(self.lines))


def pieces(cells: Any, columns: int) -> Iterator[Piece]:
    """The pieces of one of pyte's lines. Raises LadderError at a colour that is not in ROLES."""

    def style(column: int) -> tuple[str, bool]:
        cell = cells[column]
        if cell.fg not in ROLES:
            raise LadderError(f"the recording has the colour {cell.fg}, for which {Path(__file__).name} has no role")
        return "quiet" if cell.blink else ROLES[cell.fg], cell.bold

    for (role, bold), places in groupby(range(columns), style):
        first, *others = places
        text = "".join(cells[column].data for column in (first, *others))
        for match in re.finditer(r"\S+( \S+)*", text):
            yield Piece(first + match.start(), match[0], role, bold)


def frames(recording: Recording) -> list[Frame]:
    """The screens that are shown, the first with the command alone; long waits are shortened."""
    screen = Screen(recording.columns, recording.rows)
    stream = pyte.Stream(screen)
    stream.feed(f"$ {recording.command}\r\n")
    found = [Frame(0.0, screen.content())]
    before = 0
    for step, events in groupby(recording.events, lambda event: int(event[0] / pace(recording) / STEP)):
        for _, text in events:
            stream.feed(text)
        if (content := screen.content()) != found[-1].lines:
            wait = PROMPT if len(found) == 1 else min((step - before) * STEP, LONGEST)
            found.append(Frame(found[-1].begins + wait, content))
            before = step
    return found


def pace(recording: Recording) -> float:
    """How many times as fast as it was the recording is shown."""
    return max(1.0, recording.events[-1][0] / (MOST * STEP)) if recording.events else 1.0


def last(recording: Recording) -> list[str]:
    """The lines of the last screen as text, without empty ones at its end."""
    lines = ["".join(f" {piece.text}" for piece in line).strip() for line in frames(recording)[-1].lines]
    return "\n".join(lines).rstrip().split("\n")


def write(recording: Recording, path: Path) -> None:
    """Draw the recording to the SVG file `path`; always the same bytes. Raises OSError."""
    with appearing_whole(path) as partial:
        partial.write_text(drawing(recording), encoding="utf-8")


def drawing(recording: Recording) -> str:
    """The SVG's text."""
    shown = frames(recording)
    height = 2 * PAD + LINE * (1 + max(row for frame in shown for row, line in enumerate(frame.lines) if line) + 1)
    day = time.strftime("%Y-%m-%d", time.gmtime(recording.timestamp))
    about = f"recorded on {recording.title}, {day}"
    faster = f", {pace(recording):.1f} times as fast" if pace(recording) > 1 else ""
    spans = sorted({span for _, span, _ in visible(shown)} - {(0, len(shown))})
    body = "".join(group(row, span, line, len(shown), recording.columns) for row, span, line in visible(shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
        f"<title>{escape(recording.command)}</title>\n"
        f"<desc>A terminal, {about}. It shows how long things took, in steps of {STEP} s{faster}; longer waits than "
        f"{LONGEST} s are shortened to that, and the command stands there for {PROMPT} s.</desc>\n"
        f"<style>\n{style(recording.columns)}{motion(shown, spans)}</style>\n"
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6" class="page"/>\n'
        f'{body}<text x="{WIDTH - PAD}" y="{height - PAD}" class="quiet end">{about}</text>\n</svg>\n'
    )


def visible(shown: Sequence[Frame]) -> Iterator[tuple[int, tuple[int, int], Line]]:
    """For each row what stands there, and from which frame until before which other one; nothing where it is empty."""
    for row, lines in enumerate(zip(*(frame.lines for frame in shown))):
        end = 0
        for line, same in groupby(lines):
            first, end = end, end + len(list(same))
            if line:
                yield row, (first, end), line


def group(row: int, span: tuple[int, int], line: Line, count: int, columns: int) -> str:
    """A line as SVG."""
    cell, y = (WIDTH - 2 * PAD) / columns, PAD + LINE * (row + 0.75)
    texts = "".join(
        f'<text x="{PAD + cell * piece.column:.1f}" y="{y:g}" textLength="{cell * len(piece.text):.1f}" '
        f'class="{piece.role}{" bold" * piece.bold}">{escape(piece.text)}</text>'
        for piece in line
    )
    classes = [f"from{span[0]}to{span[1]}"] * (span != (0, count)) + ["gone"] * (span[1] < count)
    return f'<g class="{" ".join(classes)}">{texts}</g>\n' if classes else f"<g>{texts}</g>\n"


def style(columns: int) -> str:
    """The style sheet's part that does not move."""
    size = (WIDTH - 2 * PAD) / columns / 0.6  # a letter of such fonts is as wide as 0.6 of their size
    used = {*ROLES.values(), "quiet"}
    colours = ["".join(f".{role} {{ fill: {PALETTE[role][kind]} }}\n" for role in sorted(used)) for kind in (0, 1)]
    page = [f".page {{ fill: {PALETTE['ground'][kind]}; stroke: {PALETTE['rule'][kind]} }}\n" for kind in (0, 1)]
    return (
        f"text {{ font: {size:.1f}px {FONTS} }}\n.bold {{ font-weight: 700 }}\n.end {{ text-anchor: end }}\n"
        f".gone {{ visibility: hidden }}\n{page[0]}{colours[0]}"
        f"@media (prefers-color-scheme: dark) {{\n{page[1]}{colours[1]}}}\n"
    )


def motion(shown: Sequence[Frame], spans: Sequence[tuple[int, int]]) -> str:
    """The style sheet's part that moves: each span of frames is visible from its first to before its last one."""
    whole = shown[-1].begins + LAST
    begins = [frame.begins for frame in shown] + [whole]
    rules = []
    for first, end in spans:
        name = f"from{first}to{end}"
        stages = [(0.0, first == 0), (begins[first], True), (begins[end], end == len(shown))]
        moments = {f"{100 * second / whole:.2f}%": state for second, state in stages}
        keys = " ".join(f"{at} {{ visibility: {'visible' if on else 'hidden'} }}" for at, on in moments.items())
        rules.append(f"@keyframes {name} {{ {keys} }}\n")
        rules.append(f".{name} {{ animation: {name} {whole:.2f}s step-end {PLAYED} both }}\n")
    return f"@media (prefers-reduced-motion: no-preference) {{\n{''.join(rules)}}}\n"
