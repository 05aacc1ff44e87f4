"""`python -m cv_basics`: results, index.html, the benchmark, and one-line errors."""

import os
import re
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from rich.console import Console

from cv_basics import bench, cli, gallery
from cv_basics.files import read_picture, write_picture
from cv_basics.lessons import LESSONS
from cv_basics.tests.conftest import ROOT, make_picture

TITLES = {
    "gray": ["colour", "grey: 0.299 R", "plain mean", "grey minus plain mean"],
    "color": ["RGB", "red", "green", "blue", "RGB to YUV and back", "Y:", "U:", "V:"],
    "mean_blur": ["picture", "salt and pepper: ", "mean 3 x 3: ", "median 3 x 3: ", "PSNR", "Gaussian noise: "],
    "gaussian_blur": ["weight of each row", "weight of each pixel", "the same as a surface", "before", "after", "row"],
    "canny": ["picture, grey and blurred", "1 Sobel", "2 magnitude", "3 suppression", "4 hysteresis", "key to 1"],
    "otsu": ["grey picture", "above", "histogram"],
}
SHAPES = [(1, 1, 1), (1, 1, 3), (1, 40, 3), (40, 1, 1), (2, 2, 3), (40, 60, 1), (60, 40, 3)]


def run(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "cv_basics", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip


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


def test_the_readmes_grey_figures_keep_their_greys():
    """An octree's palette left 18 colours in the figure of lesson 3."""
    with Image.open(gallery.README_FIGURES / "mean_blur.png") as figure:
        assert len(figure.convert("RGB").getcolors()) > 200


@pytest.mark.parametrize("missing", ["numpy", "PIL", "matplotlib", "rich"])
def test_a_missing_package_gives_one_line_that_names_nox(tmp_path, missing):
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no {missing}', name='{missing}')")
    done = subprocess.run(
        [sys.executable, "-m", "cv_basics", "gray"], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(rf"cv_basics: {missing} is not installed; `nox -s cv_basics -- .*\n", done.stderr)


@pytest.mark.parametrize(
    "arguments, results",
    [
        (["gray"], ["gray"]),
        (["color"], ["red", "green", "blue", "y", "u", "v"]),
        (["mean_blur", "--size", 4, "--noise", 0.2, "--noise-sigma", 5, "--seed", 3],
         [f"{noise}-{step}" for noise in ("salt-and-pepper", "gaussian-noise")
          for step in ("noisy", "mean-4-x-4", "median-5-x-5")]),
        (["gaussian_blur", "--size", 5, "--sigma", 1.4], ["blurred"]),
        (["canny", "--size", 5, "--sigma", 1.4, "--low", 150, "--high", 50, "--squared"], ["edges"]),
        (["otsu"], ["binary"]),
    ],
)  # fmt: skip
def test_a_lesson_writes_its_results_and_its_figure(tmp_path, capsys, arguments, results):
    write_picture(tmp_path / "a.png", make_picture("smooth", 30, 50, 3, seed=1))
    lesson, *options = map(str, arguments)
    assert cli.main([lesson, str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), *options]) == 0
    expected = {f"a_{lesson}_figure.png", *(f"a_{lesson}_{result}.png" for result in results)}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    for result in results:
        assert read_picture(tmp_path / "out" / f"a_{lesson}_{result}.png").shape[:2] == (30, 50)
    assert f"a_{lesson}_figure.png" in capsys.readouterr().out


def test_all_writes_every_figure_and_an_index_that_shows_them(tmp_path, capsys):
    for folder, channels in (("one", 3), ("two", 1)):
        (tmp_path / folder).mkdir()
        write_picture(tmp_path / folder / "a & b.png", make_picture("smooth", 20, 30, channels, seed=1))
    out = tmp_path / "out"
    pictures = [str(path) for path in sorted(tmp_path.glob("*/*.png"))]
    assert cli.main(["all", *pictures, "--out", str(out)]) == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    shown = {name.replace("&amp;", "&") for name in re.findall(r'src="([^"]+)"', page)}
    linked = {name.replace("&amp;", "&") for name in re.findall(r'href="([^#][^"]*)"', page)}
    assert shown == {path.name for path in out.glob("*_figure.png")}
    assert linked == {path.name for path in out.glob("*.png")}
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"{lesson} a & b.png: " in printed for lesson in LESSONS)
    assert len(shown) == 2 * len(LESSONS) - 2  # the two lessons about colour skip the grey picture


def test_there_are_default_pictures_for_every_lesson():
    assert len(gallery.default_pictures()) >= 6
    for lesson in LESSONS.values():
        assert (gallery.PICS / lesson.picture).is_file()


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


def test_bench_puts_its_table_between_the_markers(tmp_path, monkeypatch, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{bench.START}\nold\n{bench.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(bench, "README", readme)
    assert cli.main(["bench", "--side", "16", "--rounds", "1", "--write"]) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{bench.START}\n| |")
    assert text.endswith(f"\n{bench.END}\nafter\n")
    assert "old" not in text
    assert len(re.findall(r"^\| .+ms", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^\| .*\d \|$", text, re.MULTILINE)) == len(
        bench.all_races(make_picture("random", 16, 16, 3, 1))
    )


def test_bench_rejects_different_results():
    wrong = bench.Race("wrong", None, np.zeros, np.ones, (3,))
    with pytest.raises(RuntimeError, match="differ"):
        bench.measure([wrong], 1, Console(quiet=True))


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ([], "COMMAND"),
        (["sharpen"], "invalid choice"),
        (["new\nline"], "invalid choice"),
        (["gray", "missing.png"], "missing.png: there is no such file"),
        (["gray", "."], "is a folder"),
        (["gray", "README.md"], "is not a picture"),
        (["mean_blur", "--size", "0"], "size must be between 1"),
        (["mean_blur", "--size", "many"], "invalid int value"),
        (["mean_blur", "--noise", "1.5"], "share must be between 0 and 1"),
        (["mean_blur", "--noise", "nan"], "share must be a finite number"),
        (["mean_blur", "--noise-sigma", "-1"], "sigma must be at least 0"),
        (["mean_blur", "--seed", "-1"], "seed must be between 0"),
        (["gaussian_blur", "--size", "4"], "size must be odd"),
        (["gaussian_blur", "--sigma", "0"], "sigma must be above 0"),
        (["canny", "--low", "nan"], "low must be a finite number"),
        (["otsu", "--out", "README.md"], "README.md"),
        (["all", "missing.png"], "missing.png"),
        (["bench", "--rounds", "0"], "rounds must be between 1"),
        (["bench", "--side", "0"], "side must be between 1"),
    ],
)
def test_a_bad_command_gives_one_line_and_exit_code_2(arguments, reason):
    done = run(*arguments, cwd=ROOT / "cv_basics")
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


STDOUT = {">&-": "Bad file descriptor", "1</dev/null": "Bad file descriptor", ">/dev/full": "No space left on device"}


def shell(redirection, *arguments):
    """`python -m cv_basics` in a shell that redirects its streams."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "cv_basics", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("redirection", STDOUT)
@pytest.mark.parametrize("arguments", [["--help"], ["gray", "pics/chelsea.png"]])
def test_output_that_cannot_be_written_gives_one_line_and_exit_code_2(redirection, arguments, tmp_path):
    done = shell(redirection, *arguments, *(["--out", tmp_path] if len(arguments) > 1 else []))
    assert done.returncode == 2
    assert STDOUT[redirection] in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2</dev/null"])
@pytest.mark.parametrize("arguments", [["gray", "nowhere.png"], ["nonsense"]])
def test_an_error_that_cannot_be_printed_keeps_its_exit_code_and_stays_off_stdout(redirection, arguments):
    done = shell(redirection, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_reader_that_has_gone_is_not_an_error():
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as stdout:
        command = [sys.executable, "-m", "cv_basics", "--help"]
        done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_name_cannot_control_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[2J\u202e.png"
    missing = run("gray", path)
    write_picture(path, make_picture("smooth", 20, 20, 3, seed=1))
    done = run("gray", path, "--out", tmp_path)
    assert (missing.returncode, done.returncode) == (2, 0)
    for text in (missing.stderr, done.stdout):
        assert "a\\x1b[2J\\u202e" in text and "\x1b" not in text and "\u202e" not in text


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("old")

    def half(image, partial):
        Path(partial).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError):
        write_picture(path, make_picture("smooth", 20, 20, 3, seed=1))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_help_names_every_lesson_and_option():
    text = run("--help").stdout
    assert all(lesson in text for lesson in [*LESSONS, "all", "bench"])
    assert all(word in run("canny", "--help").stdout for word in ("--low", "--high", "--sigma", "--size", "default"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_gives_exit_code_130_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "cv_basics", "all", "--out", str(tmp_path)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
