"""Drawings for light and dark pages: every text can be read in both."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from shared_weights.themes import LIGHT, PALETTE, write_svg

TEXTS = ("ink", "quiet", "blue", "orange", "green", "red")


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted(map(luminance, (first, second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(theme: int):
    colours = {role: pair[theme] for role, pair in PALETTE.items()}
    pale = [colour for role, colour in colours.items() if role.startswith(("pale", "middle"))]
    assert [role for role in TEXTS if contrast(colours[role], colours["ground"]) < 4.5] == []
    assert [fill for fill in pale if contrast(colours["ink"], fill) < 4.5] == []
    assert contrast(colours["red"], colours["pale red"]) >= 4


def test_a_colour_has_one_role():
    assert len({light for light, _ in PALETTE.values()}) == len(PALETTE)


def test_a_drawing_has_its_ground_and_the_colours_of_both_themes(tmp_path: Path):
    figure = Figure()
    figure.text(0.5, 0.5, "a word", color=LIGHT["red"])
    write_svg(figure, tmp_path / "a.svg", "a title")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    light, dark = PALETTE["red"]
    assert f'[style*="fill: {light}"] {{ fill: {dark} !important }}' in svg
    assert f'style="fill: {LIGHT["ground"]}"' in svg and f"fill: {light}" in svg.split("</style>", 1)[1]
    assert "<title>a title</title>" in svg and "matplotlib" not in svg.split("</metadata>")[0].lower()
