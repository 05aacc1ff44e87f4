"""The chart: every row with its marks and times, readable in both themes and on a phone."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ladder.timing import chart
from shared_weights.themes import LIGHT, PALETTE

SVG = "{http://www.w3.org/2000/svg}"
PHONE = 390 - 2 * 16  # pixels: the width of a page's text on GitHub


def line(name: str, median: float, faster: float | None = None, **more: Any) -> dict[str, Any]:
    """A version's or peer's line of a results file, as far as charts and tables read it."""
    ratio = faster and {"median": faster, "interval": [0.99 * faster, 1.01 * faster], "pairs": 9}
    common = {"idea": f"the idea of {name}", "threads": 1, "previous": None, "spread": 0.02, "int8": False}
    times = {"sources": "", "rounds": [0], "seconds": [median], "median": median}
    return {"name": name, "faster": ratio, "share_of_peak": 0.3, "done": 1.0} | times | common | more


def results(size: int, versions: list[dict[str, Any]], peers: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A results file, as far as charts and tables read it."""
    made = {"compiler": "cc 1", "variables": {}, "busy": 0}
    common = {"id": f"1-{size}", "size": size, "began": "2026-01-02T03:04:05+00:00", "conditions": made}
    machine = {"processor": {"name": "a slide rule", "threads": 3, "vectors": ["avx", "avx2"]}, "disturbed": False}
    return common | machine | {"versions": versions, "peers": peers or []}


SMALL = results(
    64, [line("01_one", 12.6), line("02_two", 0.1), line("04_four", 0.0101), line("04_four", 0.0057, threads=2)]
)
LARGE = results(
    224,
    [line("02_two", 0.4), line("04_four", 0.05), line("04_four", 0.02561, threads=2, spread=0.2)],
    [
        line("slow", 0.09, 0.55, previous="04_four"),
        line("slow", 0.03, 0.8, previous="04_four", threads=2),
        line("ncnn", 0.06, 0.8, previous="04_four"),
    ],
)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """The ladder's chart."""
    chart.draw(chart.of_ladder(SMALL, LARGE), tmp_path / "chart.svg")
    return tmp_path / "chart.svg"


def texts(file: Path) -> list[str]:
    """All that is written on it."""
    found = ElementTree.parse(file).getroot().iter(f"{SVG}text")
    return ["".join(element.itertext()).strip() for element in found]


def test_every_row_has_its_name_and_the_times_of_its_marks(drawn: Path):
    found = texts(drawn)
    assert {"01_one", "02_two", "04_four", "ncnn", "slow"} <= set(found)
    assert {"12.6 s", "100 ms", "10.1 ms", "5.70 ms", "50.0 ms", "26 ms", "90.0 ms", "30.0 ms"} <= set(found)
    assert {"1 thread", "2 threads", "libraries"} <= set(found)
    assert {f"A picture of {size} x {size} pixels, a slide rule" for size in (64, 224)} <= set(found)


def test_the_ladders_chart_has_all_versions_and_the_peers_beside_what_they_are_compared_with():
    small, large = chart.of_ladder(SMALL, LARGE)
    assert list(small.rows) == ["01_one", "02_two", "04_four"] and not small.peers
    assert list(large.rows) == ["04_four", "ncnn", "slow"]  # by their times with one thread
    assert chart.of_ladder(SMALL, LARGE | {"peers": []}) == [small]


def test_the_chart_of_a_run_has_all_that_it_timed():
    assert list(chart.of_run(LARGE).rows) == ["02_two", "04_four", "ncnn", "slow"]


@pytest.mark.parametrize("panel", [*chart.of_ladder(SMALL, LARGE), chart.of_run(LARGE)], ids=["small", "large", "run"])
def test_an_axis_says_whether_it_is_logarithmic_and_otherwise_begins_at_zero(panel: chart.Panel):
    above, axes = chart.figure([panel]).axes
    said = [text.get_text() for text in above.texts]
    assert ("logarithmic: x 10 from line to line" in said) == (axes.get_xscale() == "log")
    assert ("linear, from zero" in said) == (axes.get_xscale() == "linear" and axes.get_xlim()[0] == 0)


def test_threads_are_told_apart_by_their_mark_and_libraries_by_their_colour():
    figure = chart.figure([chart.of_run(LARGE)])
    found = {
        (line.get_ydata()[0], line.get_color(), line.get_markerfacecolor())
        for line in figure.axes[1].lines
        if line.get_marker() == "o"
    }
    blue, orange, ground = LIGHT["blue"], LIGHT["orange"], LIGHT["ground"]
    versions = {(0, blue, blue), (1, blue, blue), (1, blue, ground)}
    assert found == versions | {(2, orange, orange), (3, orange, orange), (3, orange, ground)}


@pytest.mark.parametrize("panels", [chart.of_ladder(SMALL, LARGE), [chart.of_run(LARGE)]], ids=["ladder", "run"])
def test_no_text_leaves_the_chart_or_overlaps_another(panels: list[chart.Panel]):
    figure = chart.figure(panels)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer).padded(-1))
        for axes in figure.axes
        for text in axes.texts
        if text.get_text()
    ]
    for text, box in boxes:
        assert figure.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1, text
        assert figure.bbox.y0 < box.y0 and box.y1 < figure.bbox.y1, text
    assert [(a[0], b[0]) for a, b in combinations(boxes, 2) if a[1].overlaps(b[1])] == []


def test_text_is_large_enough_on_a_phone(drawn: Path):
    points = re.findall(r"font(?:-size)?: (?:bold )?([\d.]+)px", drawn.read_text(encoding="utf-8"))
    assert points and min(map(float, points)) / chart.POINTS_PER_PIXEL * PHONE / chart.WIDTH >= 8.9


def test_every_colour_has_one_for_dark_pages(drawn: Path):
    _, body = drawn.read_text(encoding="utf-8").split("</style>", 1)
    used = set(re.findall(r"(?:fill|stroke): (#\w+)", body))
    assert used and used <= {light for light, _ in PALETTE.values()}


def test_the_same_results_give_the_same_bytes(tmp_path: Path):
    content = json.loads(json.dumps(SMALL))  # as a file gives it
    for name in ("a.svg", "b.svg"):
        chart.draw([chart.of_run(content)], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
