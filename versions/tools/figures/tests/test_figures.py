"""The lesson's figures: up to date, readable in both themes and on a phone, and right."""

import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from figures import numbers, processor, roof, sketch, team, tensors
from figures.__main__ import FIGURES, ROOFLINES, TERMINAL, main
from figures.__main__ import sketch as draw
from ladder.core.versions import ROOT
from shared_weights.themes import PALETTE

FOLDER = ROOT / "versions" / "figures"
LESSON = (ROOT / "versions" / "README.md").read_text(encoding="utf-8")
PHONE = 390 - 2 * 16  # pixels: the width of a page's text on GitHub


def joined(text: str) -> str:
    """A text without its line breaks, in which a sentence is found wherever its lines end."""
    return " ".join(text.split())


@cache
def drawn(name: str) -> Figure:
    """The figure of this name."""
    return draw(name).figure


def content(file: Path) -> Counter[str]:
    """What an SVG file shows, without the places that another Matplotlib may write with other digits."""
    text = file.read_text(encoding="utf-8")
    shown = re.findall(r"<text[^>]*>[^<]*</text>|<path[^>]*>|<use[^>]*>", text)
    return Counter(re.sub(r"[\d.]*\.\d+|(id|href)=\"[^\"]*\"", "", one) for one in shown)


def test_the_committed_figures_are_what_the_code_draws(tmp_path: Path):
    assert main(["--out", str(tmp_path)]) == 0
    names = [*FIGURES, TERMINAL]
    files = sorted([f"{TERMINAL}.cast", "features.png", *(f"{name}.svg" for name in names)])
    assert sorted(file.name for file in FOLDER.iterdir()) == files  # `nox -s features` draws the PNG
    for name in names:
        assert content(FOLDER / f"{name}.svg") == content(tmp_path / f"{name}.svg"), f"nox -s figures -- {name}"


def test_a_figure_is_always_the_same_bytes(tmp_path: Path):
    for folder in ("a", "b"):
        assert main(["tile", "--out", str(tmp_path / folder)]) == 0
    assert (tmp_path / "a" / "tile.svg").read_bytes() == (tmp_path / "b" / "tile.svg").read_bytes()


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in ROOFLINES])
def test_the_lesson_shows_the_figure(name: str):
    assert re.search(rf"!\[[^\]]{{40,}}\]\(figures/{name}\.svg\)", LESSON)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_figure_or_overlaps_another(name: str):
    figure = drawn(name)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts if text.get_text()]
    for text, box in boxes:
        assert figure.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1, text
        assert figure.bbox.y0 < box.y0 and box.y1 < figure.bbox.y1, text
    assert [(a[0], b[0]) for a, b in combinations(boxes, 2) if a[1].overlaps(b[1])] == []


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_large_enough_on_a_phone(name: str):
    sizes = [text.get_fontsize() / sketch.POINTS_PER_PIXEL for text in drawn(name).axes[0].texts]
    assert min(sizes) * PHONE / sketch.WIDTH >= 11


@pytest.mark.parametrize("name", FIGURES)
def test_every_colour_has_one_for_dark_pages(name: str):
    file = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    style, body = file.split("</style>", 1)
    used = set(re.findall(r"(?:fill|stroke): (#\w{6})", body))
    assert used and used <= {light for light, _ in PALETTE.values()}
    assert all(f'[style*="fill: {colour}"] {{ fill: {dict(PALETTE.values())[colour]} ' in style for colour in used)


def test_one_sum_has_a_multiply_add_under_way_and_eight_all_that_the_core_can_start():
    assert processor.starts(1, 12) == [[0, 4, 8]]
    begun = Counter(cycle for times in processor.starts(8, 12) for cycle in times)
    assert begun == dict.fromkeys(range(12), 2)


def test_the_loads_per_multiply_add_are_those_of_the_lesson():
    ratios = [round(tile.loads / tile.sums, 2) for tile in processor.TILES]
    assert ratios[:2] == [1.12, 0.67] and "\n[1.12, 0.67]\n" in LESSON
    assert [tile.held for tile in processor.TILES] == [9, 15, 31]


def test_everything_in_the_pyramid_is_larger_than_the_memory_above():
    kept = processor.homes()
    assert all(kept.values()) and sum(map(len, kept.values())) == 6
    assert [amount.split(": ")[1] for amount, _ in kept["L3"]] == ["9.44 MB"]


def test_the_window_gives_what_the_lesson_computes():
    assert tensors.sliding().tolist() == [[0, 2, 2, -2], [0, 3, 3, -3], [0, 3, 3, -3], [0, 2, 2, -2]]
    assert tensors.three_products().endswith("= 3.")


@pytest.mark.parametrize("plan", [team.with_barrier(), team.with_claims()])
def test_two_threads_do_each_piece_once_and_never_when_they_are_away(plan: list[team.Piece]):
    assert Counter((piece.step, piece.share) for piece in plan) == {
        (step, share): team.PIECES for step in range(team.STEPS) for share in (0, 1)
    }
    for one, other in combinations(plan, 2):
        assert one.thread != other.thread or one.end <= other.start or other.end <= one.start
        assert one.step >= other.step or one.end <= other.start
    assert not [piece for piece in plan if piece.thread == 1 and team.AWAY[0] <= piece.start < team.AWAY[1]]


def test_a_scale_for_each_channel_never_adds_noise():
    weights = np.array([[1.0, 0.5], [0.003, 0.002]])
    assert numbers.decibels(weights, each_channel=True) > numbers.decibels(weights, each_channel=False) + 1
    found = {each: [numbers.decibels(one, each) for one in numbers.kernels().values()] for each in (False, True)}
    assert all(one < many for one, many in zip(*found.values()))
    one, many = (np.median(ratios) for ratios in found.values())
    assert f"{one:.1f} dB with one scale for a tensor, {many:.1f} with one for each channel" in joined(LESSON)


@pytest.mark.parametrize(
    ("folder", "measured"),
    [
        ("09_avx512", f"either row, {2 * roof.PEAK / 1e9:.0f} GFLOP/s"),
        ("11_prefetch", f"One core moves {roof.BANDWIDTH / 1e9:.0f} GB/s"),
        ("13_int8", '"maxpool": {"scale": 0.048872, "zero_point": 0}'),
    ],
)
def test_what_was_measured_is_in_the_readme_that_it_comes_from(folder: str, measured: str):
    assert measured in joined((ROOT / "versions" / folder / "README.md").read_text(encoding="utf-8"))


def test_a_figure_that_is_not_there_is_an_error_that_names_them(capsys):
    with pytest.raises(SystemExit) as end:
        main(["stacked"])
    err = capsys.readouterr().err
    assert end.value.code == 2 and "there is no figure stacked: there are kernel, layout" in err
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_one_line_and_code_2(tmp_path: Path, capsys):
    (tmp_path / "file").touch()
    assert main(["tile", "--out", str(tmp_path / "file")]) == 2
    assert re.fullmatch(r"figures: \S+/file: File exists\n", capsys.readouterr().err)
