"""The terminal that moves: it shows what the command prints, and readers who want no motion lose nothing."""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from figures import recording, screen
from figures.__main__ import TERMINAL, main
from figures.recording import COLUMNS, ROWS, Recording
from ladder.core import weights
from ladder.core.errors import LadderError
from ladder.core.selection import one_or_newest
from ladder.core.versions import ROOT
from shared_weights.themes import PALETTE

FOLDER = ROOT / "versions" / "figures"
PHONE = 390 - 2 * 16  # pixels: the width of a page's text on GitHub
KEPT = Recording.read(FOLDER / f"{TERMINAL}.cast")
DRAWN = (FOLDER / f"{TERMINAL}.svg").read_text(encoding="utf-8")


def made_up(*events: tuple[float, str]) -> Recording:
    """A recording with these events."""
    return Recording("nox -s it", "a slide rule", 86400, COLUMNS, ROWS, list(events))


def words(lines: list[str]) -> Counter[str]:
    """The words that the command printed, each number as 0, and without the units of times, which differ too.

    What nox says is left out, and what is only there where the version has to be built first.
    """
    own = [line for line in lines if not line.startswith(("nox >", "building ", "installing "))]
    found = [word for line in own for word in line.replace("─", "").split()]
    return Counter(re.sub(r"[\d.]*\d", "0", word) for word in found if word not in ("ms", "s"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of this kind")
def test_the_command_prints_today_what_was_recorded():
    said = " ".join(screen.last(KEPT))
    newest, chosen = one_or_newest(ROOT, None).name, weights.find(None).name
    if f"Version {newest} " not in said or f"weight set {chosen}." not in said:
        pytest.skip(f"it was recorded without {newest}, the newest that runs here, or without {chosen}")
    assert {"pics/chelsea.png", "pics/eagle.jpg", "picture", "top", "time", "right"} <= set(said.split())
    assert words(screen.last(recording.record(ROOT, recording.COMMAND))) == words(screen.last(KEPT))


def test_nothing_that_was_recorded_tells_where():
    text = "".join(text for _, text in KEPT.events)
    assert str(ROOT) not in text and not re.search(r"(?<!\S)[~/]\w*/", text)


def test_the_drawing_is_small_and_has_no_script_and_nothing_from_elsewhere():
    assert len(DRAWN.encode()) < 100_000
    names = {element.tag.partition("}")[2] for element in ElementTree.fromstring(DRAWN).iter()}
    assert names == {"svg", "title", "desc", "style", "rect", "g", "text"}
    assert not re.search(r"url\(|href|@import", DRAWN)


def test_without_motion_the_last_screen_is_seen():
    lines: dict[float, str] = {}
    root = ElementTree.fromstring(DRAWN)
    for line in root.iter("{http://www.w3.org/2000/svg}g"):
        if "gone" not in line.get("class", ""):
            assert line[0].get("y") not in lines
            lines[float(line[0].get("y"))] = " ".join(text.text for text in line)
    assert [lines[y] for y in sorted(lines)] == [line for line in screen.last(KEPT) if line]
    style = "".join(element.text for element in root.iter("{http://www.w3.org/2000/svg}style"))
    still, _, moving = style.partition("@media (prefers-reduced-motion: no-preference)")
    assert "animation" not in still and "animation" in moving


def test_a_line_is_visible_from_the_frame_in_which_it_came_until_it_went():
    one = made_up((0.1, "first\r\n"), (0.5, "second"), (0.9, "\r\x1b[2Kthird"))
    shown = screen.frames(one)
    assert [frame.begins for frame in shown] == pytest.approx([0, 1.2, 1.6, 2.0])
    found = {"".join(piece.text for piece in line): span for _, span, line in screen.visible(shown)}
    assert found == {"$ nox -s it": (0, 4), "first": (1, 4), "second": (2, 3), "third": (3, 4)}
    moving = screen.motion(shown, [(1, 4), (2, 3)])
    whole = 2.0 + screen.LAST
    at = [f"{100 * second / whole:.2f}%" for second in (1.2, 1.6, 2.0)]
    moving = moving.replace("visibility: ", "")
    assert f"{{ 0.00% {{ hidden }} {at[0]} {{ visible }} 100.00% {{ visible }} }}" in moving
    assert f"{{ 0.00% {{ hidden }} {at[1]} {{ visible }} {at[2]} {{ hidden }} }}" in moving


def test_long_waits_are_shortened_and_of_quick_changes_the_last_is_shown():
    shown = screen.frames(made_up((0.01, "a"), (0.02, "\rb"), (60.0, "\rc")))
    assert [frame.lines[1][0].text for frame in shown[1:]] == ["b", "c"]
    assert shown[2].begins - shown[1].begins == pytest.approx(screen.LONGEST)


def test_what_took_long_is_shown_faster_and_the_drawing_says_so():
    slow = made_up(*((float(second), f"{second}\r") for second in range(1, 161)))
    assert screen.pace(slow) == 10 and len(screen.frames(slow)) <= screen.MOST + 2
    assert "in steps of 0.4 s, 10.0 times as fast;" in screen.drawing(slow)
    assert "in steps of 0.4 s;" in screen.drawing(made_up((16.0, "a")))


def test_colours_and_faint_and_bold_letters_are_told_apart():
    [_, frame] = screen.frames(made_up((0.1, "\x1b[1mcat\x1b[0m \x1b[2mdog\x1b[0m \x1b[32mright\x1b[0m")))
    assert [(piece.text, piece.role, piece.bold) for piece in frame.lines[1]] == [
        ("cat", "ink", True),
        ("dog", "quiet", False),
        ("right", "green", False),
    ]


def test_an_unknown_colour_is_not_left_out():
    with pytest.raises(LadderError, match="the colour ff00d7, for which screen"):
        screen.frames(made_up((0.1, "\x1b[38;5;200mcat")))


def test_letters_are_large_enough_on_a_phone():
    assert float(re.search(r"font: ([\d.]+)px", DRAWN)[1]) * PHONE / screen.WIDTH >= 8.9


def test_every_colour_has_one_for_dark_pages():
    light, _, dark = DRAWN.partition("@media (prefers-color-scheme: dark)")
    pairs = dict(PALETTE.values())
    for selector, colour in re.findall(r"(\.\w+) \{ fill: (#\w{6})", light):
        assert f"{selector} {{ fill: {pairs[colour]}" in dark


def test_what_is_written_can_be_read(tmp_path: Path):
    one = made_up((0.125, "a\x1b[1mé\r\n"))
    one.write(tmp_path / "one.cast")
    assert Recording.read(tmp_path / "one.cast") == one
    header = json.loads((tmp_path / "one.cast").read_text().splitlines()[0])
    assert (header["version"], header["width"], header["height"]) == (2, COLUMNS, ROWS)  # what players ask for


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", '{"version": 2}\n[1]\n', "x"])
def test_what_is_no_recording_is_one_line_and_code_2(content: str, tmp_path: Path, capsys):
    file = tmp_path / "versions" / "figures" / f"{TERMINAL}.cast"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert main([TERMINAL], tmp_path) == 2
    assert capsys.readouterr().err == f"figures: {file}: it is no recording in asciicast's format 2\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of this kind")
def test_a_command_that_fails_is_not_recorded():
    with pytest.raises(LadderError, match="nox -s no_such_session ended with exit code"):
        recording.record(ROOT, "nox -s no_such_session")
