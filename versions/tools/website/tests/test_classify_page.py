"""The page of `classify --html` as a reader sees it: in Chromium, from a file, on a screen and on a phone."""

from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core.versions import ROOT
from website.tests.conftest import BLANK, WIDTHS

PICTURES = ("chelsea.png", "eagle.jpg", "cutouts/fire_engine.png")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about three pictures, one of them with a name that is too long for a line."""
    folder = tmp_path_factory.mktemp("page")
    long = folder / f"{'a_long_name_without_a_space_' * 8}.png"
    long.write_bytes((ROOT / "pics" / PICTURES[0]).read_bytes())
    given = [str(ROOT / "pics" / name) for name in PICTURES] + [str(long)]
    assert main(["classify", "--weights", "cifar10", "--html", str(folder / "page.html"), *given]) == 0
    return folder / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
def test_it_can_be_read_on_every_screen_by_day_and_by_night(device: str, scheme: str, open_page, page_file: Path):
    page, faults = open_page(page_file, device, scheme)
    assert faults == page.evaluate(BLANK) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[device]
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    dark, bright = sorted(sum(map(int, colour[4:-1].split(","))) for colour in (paper, ink))
    assert bright - dark > 500  # of 765
    assert (sum(map(int, paper[4:-1].split(","))) == dark) == (scheme == "dark")
    assert page.locator("article").count() == 4
    for image in page.locator("article").first.locator("img").all():
        box = image.bounding_box()
        assert box["width"] > 100 and box["height"] > 100


@pytest.mark.parametrize("device", WIDTHS)
def test_a_bar_is_as_long_as_its_label_is_likely(device: str, open_page, page_file: Path):
    page, _ = open_page(page_file, device)
    rows = page.locator("article").first.locator("li")
    assert rows.count() == 5
    for row in rows.all():
        share = float(row.locator("span").last.inner_text().split()[0]) / 100
        bar, whole = (part.bounding_box()["width"] for part in (row.locator("i"), row))
        assert bar == pytest.approx(max(share * whole, 2), abs=1.5)
