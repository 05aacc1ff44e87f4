"""The lessons' figures: complete, legible, true to the data, and small in the README."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from rich.console import Console

from cv_basics import gallery
from cv_basics.files import read_picture
from cv_basics.lessons import LESSONS
from cv_basics.tests.conftest import make_picture

TITLES = {
    "gray": ["colour", "grey: 0.299 R", "plain mean", "grey minus plain mean"],
    "color": ["RGB", "red", "green", "blue", "RGB to YUV and back", "Y:", "U:", "V:"],
    "mean_blur": ["picture", "salt and pepper: ", "mean 3 x 3: ", "median 3 x 3: ", "PSNR", "Gaussian noise: "],
    "gaussian_blur": ["weight of each row", "weight of each pixel", "the same as a surface", "before", "after", "row"],
    "canny": ["picture, grey and blurred", "1 Sobel", "2 magnitude", "3 suppression", "4 hysteresis", "key to 1"],
    "otsu": ["grey picture", "above", "histogram"],
}
SHAPES = [(1, 1, 1), (1, 1, 3), (1, 40, 3), (40, 1, 1), (2, 2, 3), (40, 60, 1), (60, 40, 3)]


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_figure_is_made_has_its_titles_and_is_not_blank(lesson, shape):
    height, width, channels = shape
    picture = make_picture("smooth", height, width, channels, seed=1)
    outcome = LESSONS[lesson].run("picture", picture, **gallery.default_options(lesson))
    titles = [axes.get_title() for axes in outcome.figure.axes]
    for title in TITLES[lesson]:
        assert any(found.startswith(title) for found in titles), title
    canvas = FigureCanvasAgg(outcome.figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3]
    assert drawn.std() > 5
    for axes in outcome.figure.axes:
        box = axes.get_window_extent()
        part = drawn[len(drawn) - int(box.y1) : len(drawn) - int(box.y0), int(box.x0) : int(box.x1)]
        assert part.size, axes.get_title()


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_label_is_cut_off(lesson):
    """Every label of a figure lies within it when it is drawn on its own canvas."""
    outcome = LESSONS[lesson].run("picture", make_picture("smooth", 50, 60, 3, 1), **gallery.default_options(lesson))
    canvas = FigureCanvasAgg(outcome.figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    for axes in outcome.figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            box = text.get_window_extent()
            if text.get_text():
                assert min(box.x0, box.y0) >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, text


def drawn_texts(figure):
    """Each visible text of a figure, and its box once the figure is drawn."""
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [(text, text.get_window_extent()) for text in texts]


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_text_lies_over_another_or_is_too_small_to_read(lesson):
    """In the README's figures, where 8 points are 11 pixels; without the surface, whose axes cross each other."""
    settings = LESSONS[lesson]
    picture = read_picture(gallery.PICS / settings.picture)
    figure = settings.run("picture", picture, **gallery.default_options(lesson)).figure
    flat = drawn_texts(figure)
    for axes in figure.axes:
        if axes.name == "3d":
            flat = [(text, box) for text, box in flat if text not in axes.findobj(Text)]
    for (one, box), (other, other_box) in combinations(flat, 2):
        assert not box.padded(-1).overlaps(other_box.padded(-1)), f"{one} lies over {other}"
    assert min(text.get_fontsize() for text, _ in flat) >= 8


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_legend_lies_over_what_is_plotted(lesson):
    settings = LESSONS[lesson]
    picture = read_picture(gallery.PICS / settings.picture)
    figure = settings.run("picture", picture, **gallery.default_options(lesson)).figure
    FigureCanvasAgg(figure).draw()
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    for axes in figure.axes:
        for legend in legends:
            box = legend.get_window_extent()
            for line in axes.lines:
                points = line.get_path().interpolated(50).transformed(line.get_transform()).vertices
                assert not any(box.contains(*point) for point in points), legend
            assert not any(box.overlaps(bar.get_window_extent()) for bar in axes.patches), legend
            if legend.axes is axes:
                assert box.width < 0.75 * axes.get_window_extent().width


def test_each_bar_shows_its_own_tenth_of_a_decibel():
    picture = read_picture(gallery.PICS / "camera.png")
    outcome = LESSONS["mean_blur"].run("camera", picture, **gallery.default_options("mean_blur"))
    (bars,) = [axes for axes in outcome.figure.axes if axes.get_title().startswith("PSNR")]
    labels = [text.get_text() for text in bars.texts if text.get_text()[0].isdigit()]
    assert labels == re.findall(r"([\d.]+) dB", outcome.findings)
    lowest, highest = sorted(bars.get_ylim())
    for bar in bars.patches:
        assert lowest <= bar.get_y() and bar.get_y() + bar.get_height() <= highest


def test_the_row_that_is_plotted_is_marked_in_both_pictures():
    """Even in a picture that is reduced to be drawn."""
    picture = make_picture("smooth", 2000, 1900, 3, seed=1)
    figure = LESSONS["gaussian_blur"].run("large", picture, **gallery.default_options("gaussian_blur")).figure
    before, after = (axes for axes in figure.axes if axes.get_title() in ("before", "after"))
    for axes in (before, after):
        assert sorted(axes.get_ylim()) == [-0.5, 1999.5]
        assert list(axes.lines[0].get_ydata()) == [1000, 1000]


def test_the_colour_wheel_shows_the_hues_of_the_gradient():
    """A picture that gets brighter to the right has the colour of the wheel's right side, and so on."""
    ramp = np.tile(np.arange(0, 240, 6, dtype=np.uint8), (40, 1))
    for turns, (y, x) in enumerate([(200, 350), (50, 200), (200, 50), (350, 200)]):  # right, up, left, down
        figure = LESSONS["canny"].run("ramp", np.rot90(ramp, turns), **gallery.default_options("canny")).figure
        shown = {axes.get_title().split()[0]: axes.images[0].get_array() for axes in figure.axes if axes.images}
        sobel, wheel = np.asarray(shown["1"])[20, 20] / 255, np.asarray(shown["key"])[y, x]
        assert (abs(sobel - wheel) <= 0.5 / 255 + 1e-6).all(), turns  # one is rounded to bytes, from float32 hues


def test_the_readme_shows_a_small_figure_for_each_lesson():
    readme = (gallery.HERE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"figures/(\w+)\.png", readme)) == set(LESSONS)
    for lesson in LESSONS:
        figure = gallery.README_FIGURES / f"{lesson}.png"
        assert figure.stat().st_size < gallery.README_BYTES
        with Image.open(figure) as image:
            assert np.asarray(image.convert("RGB")).std() > 5


def test_the_readmes_figures_are_drawn_small(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "README_FIGURES", tmp_path / "figures")
    written = gallery.make_readme_figures(Console(quiet=True))
    assert [path.stem for path in written] == list(LESSONS)
    assert all(path.stat().st_size < gallery.README_BYTES for path in written)


def test_the_readmes_grey_figures_keep_their_greys():
    """An octree's palette left 18 colours in the figure of lesson 3."""
    with Image.open(gallery.README_FIGURES / "mean_blur.png") as figure:
        assert len(figure.convert("RGB").getcolors()) > 200
