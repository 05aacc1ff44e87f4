"""The chart: every bar with its time and ratio, readable on light and dark grounds."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ladder.timing import chart

SVG = "{http://www.w3.org/2000/svg}"


def line(name: str, median: float, faster: float | None = None, **more: Any) -> dict[str, Any]:
    """A version's or peer's line of a results file, as far as charts and tables read it."""
    ratio = faster and {"median": faster, "interval": [0.99 * faster, 1.01 * faster], "pairs": 9}
    common = {"idea": f"the idea of {name}", "threads": 1, "previous": None, "spread": 0.02}
    return {"name": name, "median": median, "faster": ratio, "share_of_peak": 0.3, "done": 1.0} | common | more


def results(size: int, versions: list[dict[str, Any]], peers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A results file, as far as charts and tables read it."""
    processor = {"name": "a slide rule", "threads": 3}
    began = "2026-01-02T03:04:05+00:00"
    return {"size": size, "began": began, "processor": processor, "versions": versions, "peers": peers or []}


@pytest.fixture
def drawn(tmp_path: Path) -> ElementTree.Element:
    """A chart of three versions, one with threads, and a peer."""
    versions = [line("02_two", 0.4), line("03_three", 4.0, 0.1), line("04_four", 0.05, 80.0)]
    versions.append(line("04_four", 0.02561, 156.2, threads=2, spread=0.2))
    chart.draw(results(224, versions, [line("ncnn", 0.04, 1.25, previous="04_four")]), tmp_path / "chart.svg")
    return ElementTree.parse(tmp_path / "chart.svg").getroot()


def texts(drawn: ElementTree.Element) -> list[str]:
    """All that is written on it."""
    return ["".join(element.itertext()).strip() for element in drawn.iter(f"{SVG}text")]


def styles(drawn: ElementTree.Element, key: str) -> list[str]:
    """The values of a CSS property, of all elements that have it."""
    declarations = [each for element in drawn.iter() for each in element.get("style", "").split(";")]
    return [value.strip() for name, _, value in (each.partition(":") for each in declarations) if name.strip() == key]


def test_every_bar_has_its_name_time_and_ratio(drawn: ElementTree.Element):
    found = texts(drawn)
    assert {"02_two", "03_three", "04_four", "2 threads", "ncnn"} <= set(found)
    assert {"400 ms", "4000 ms", "50.0 ms", "26 ms", "40.0 ms"} <= set(found)  # two digits where it was noisy
    assert {"x 0.100", "x 80.0", "x 160", "x 1.25"} <= set(found)
    assert "ResNet-50, one picture of 224 x 224 pixels, on a slide rule" in found
    assert "x: how many times as fast as the version before; in the peers' bars: against 04_four" in found


def test_the_threads_stand_alone_only_below_the_same_name():
    rows = [line("a", 1.0, threads=2), line("b", 1.0), line("b", 1.0, threads=2), line("b", 1.0, threads=4)]
    assert chart.names(rows) == ["a, 2 threads", "b", "2 threads", "4 threads"]


def luminance(colour: str) -> float:
    """The relative luminance of a colour (WCAG 2.2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    """The contrast of two colours (WCAG 2.2), 1 to 21."""
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_it_can_be_read_on_white_and_on_black(drawn: ElementTree.Element):
    for colour in (chart.INK, chart.VERSION, chart.PEER):
        assert min(contrast(colour, ground) for ground in ("#ffffff", "#0d1117")) >= 4.1
    for colour in (chart.VERSION, chart.PEER):
        assert contrast(colour, chart.ON_BAR) >= 4.1
    known = {chart.INK, chart.VERSION, chart.PEER, chart.ON_BAR, "none"}
    assert {chart.VERSION, chart.PEER, chart.INK} <= set(styles(drawn, "fill")) <= known
    assert styles(drawn, "fill").count(chart.PEER) == 1
    assert set(styles(drawn, "stroke")) <= {chart.INK, "none"}


def test_the_same_results_give_the_same_bytes(tmp_path: Path):
    content = json.loads(json.dumps(results(64, [line("01_one", 12.6)])))  # as a file gives it
    for name in ("a.svg", "b.svg"):
        chart.draw(content, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
