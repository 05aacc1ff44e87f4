"""The site as a reader sees it: in Chromium, from files, on a large screen and on a phone."""

from pathlib import Path

import pytest

from website.__main__ import main
from website.tests.conftest import BLANK, SVG, WIDTHS, write

NO_MALLOC = "versions/06_no_malloc/README.html"


@pytest.mark.parametrize("device", WIDTHS)
def test_every_page_loads_without_a_complaint_and_fits_the_window(device: str, open_page, site: Path):
    page, faults = open_page(site / "index.html", device)
    page.wait_for_url("**/README.html")  # index.html leads there
    for file in sorted(site.rglob("*.html")):
        if file == site / "index.html":
            continue
        page.goto(file.as_uri())
        faults += [f"{file}: not drawn: {image}" for image in page.evaluate(BLANK)]
        width = page.evaluate("document.documentElement.scrollWidth")
        faults += [f"{file}: {width} pixels wide"] * (width > WIDTHS[device])
    assert faults == []


def test_on_a_phone_no_column_is_a_word_wide_and_no_word_of_code_is_broken(open_page, site: Path):
    for name in ("README.html", "CONTRIBUTING.html", "versions/09_avx512/README.html"):
        page, _ = open_page(site / name, "phone")
        widths = page.evaluate("[...document.querySelectorAll('td.long')].map(cell => cell.clientWidth)")
        words = page.evaluate("[...document.querySelectorAll('code .pre')].map(word => word.getClientRects().length)")
        assert min(widths) >= 160 and max(words) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
def test_the_difference_of_05_to_06_shows_the_changed_lines(device: str, scheme: str, open_page, site: Path):
    page, _ = open_page(site / NO_MALLOC, device, scheme)
    changed = page.locator("#diff-src-resnet50-network-py .changed")
    old, new = changed.locator(".old[data-line]").first, changed.locator(".new[data-line]").first
    assert old.is_visible() and new.is_visible()
    colours = [line.evaluate("line => getComputedStyle(line).backgroundColor") for line in (old, new)]
    red, green = (tuple(map(int, colour[4:-1].split(","))) for colour in colours)
    assert red[0] > red[1] and green[1] > green[0]
    assert (max(red + green) < 128) == (scheme == "dark")
    assert page.locator(".changed .new", has_text="arena").first.is_visible()


def test_the_difference_is_side_by_side_where_there_is_room(open_page, site: Path):
    lines = "#diff-src-resnet50-network-py > .same"
    page, _ = open_page(site / NO_MALLOC)
    old, new = (page.locator(f"{lines} .{side}").first.bounding_box() for side in ("old", "new"))
    assert old["y"] == new["y"] and old["x"] + old["width"] == pytest.approx(new["x"]) and old["width"] > 400
    page, _ = open_page(site / NO_MALLOC, "phone")
    assert not page.locator(f"{lines} .old").first.is_visible() and page.locator(f"{lines} .new").first.is_visible()


def test_the_chart_is_drawn(open_page, tree: Path):
    write(tree, "build/bench/chart.svg", SVG)
    assert main([], tree) == 0
    page, faults = open_page(tree / "build" / "site" / "README.html")
    box = page.locator("article img").bounding_box()
    assert (box["width"], box["height"]) == (9, 9) and page.evaluate(BLANK) == faults == []


def test_search_finds_arena(open_page, site: Path):
    page, faults = open_page(site / "README.html")
    page.get_by_placeholder("Search").fill("arena")
    page.keyboard.press("Enter")
    found = page.locator("#search-results li a", has_text="06: no malloc")
    found.first.wait_for()
    found.first.click()
    assert "06_no_malloc" in page.url and page.locator("h1").first.inner_text().startswith("06")
    assert faults == []


def test_a_reader_can_choose_the_dark_theme(open_page, site: Path):
    page, _ = open_page(site / "README.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.locator(".theme-toggle:visible").click()  # from the system's theme to the other one
    assert page.locator("body").get_attribute("data-theme") == "dark"
    assert page.evaluate(colour) != light


def test_a_button_copies_an_example_without_prompts_and_results(open_page, site: Path):
    page, faults = open_page(site / "versions/README.html")
    page.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value })")
    example = page.locator("div.highlight", has_text="def picture")
    example.hover()
    example.locator("button").click()
    copied = page.evaluate("window.copied")
    assert copied.startswith("import numpy as np\nfrom resnet50 import ops\ndef picture(*rows):\n    ")
    assert "\n\ndef rows(tensor):\n" in copied  # an empty line ends a function for Python's prompt
    assert copied.endswith("\nrows(picture([1, 2], [3, 4]))") and faults == []
