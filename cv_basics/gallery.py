"""The files written: results and figures of one lesson, of all on all pictures with an index.html, and the README's."""

import html
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cv_basics.files import PictureError, appearing_whole, read_picture, write_picture
from cv_basics.lessons import LESSONS, Outcome
from cv_basics.streams import printable

HERE = Path(__file__).parent
PICS = HERE.parent / "pics"
README_FIGURES = HERE / "figures"
DOTS_PER_INCH = 110
README_BYTES = 300_000  # the README's figures are kept in git, so they are drawn ever smaller until they fit
COLOURS = 256  # of a palette; median cut uses all of them, while an octree leaves 18 in a grey figure

STYLE = """
body { font-family: system-ui, sans-serif; max-width: 100rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
figure { margin: 0 0 2.5rem; } img { max-width: 100%; height: auto; border: 1px solid #ddd; }
figcaption { margin-top: .3rem; } nav a { margin-right: 1.2rem; } code { background: #f3f3f3; padding: 0 .3em; }
"""


def run_lesson(lesson: str, path: Path, folder: Path, name: str, options: dict[str, Any]) -> tuple[Outcome, list[Path]]:
    """Run a lesson on a picture file and write its figure and its results; return what it found and the paths."""
    outcome = LESSONS[lesson].run(path.name, read_picture(path), **options)
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{name}_{lesson}_figure.png"]
    with appearing_whole(written[0]) as partial:
        outcome.figure.savefig(partial, dpi=DOTS_PER_INCH, bbox_inches="tight")
    for part, result in outcome.results.items():
        written.append(folder / f"{name}_{lesson}_{part}.png")
        write_picture(written[-1], result)
    return outcome, written


def default_options(lesson: str) -> dict[str, Any]:
    """All options of a lesson at their defaults."""
    return {name: option.default for name, option in LESSONS[lesson].options.items()}


def default_pictures() -> list[Path]:
    """The pictures directly in pics/. Raises PictureError if there are none."""
    pictures = sorted(path for path in PICS.glob("*") if path.suffix in {".jpg", ".png"})
    if not pictures:
        raise PictureError(f"{PICS}: there are no pictures to show the lessons on")
    return pictures


def make_all(pictures: Sequence[Path], folder: Path, console: Console) -> Path:
    """Run every lesson on every picture, the two about colour on colour pictures only; return index.html's path."""
    jobs = [
        (lesson, path, name)
        for lesson in LESSONS
        for path, name in zip(pictures, unique_names(pictures), strict=True)
        if not LESSONS[lesson].needs_colour or read_picture(path).ndim == 3
    ]
    figures: dict[str, list[str]] = {lesson: [] for lesson in LESSONS}
    with _progress(console) as progress:
        task = progress.add_task("", total=len(jobs))
        for lesson, path, name in jobs:
            progress.update(task, description=escape(printable(f"{lesson} {path.name}")))
            outcome, written = run_lesson(lesson, path, folder, name, default_options(lesson))
            line = printable(f"{lesson} {path.name}: {outcome.findings}")
            progress.console.print(line, markup=False, highlight=False)
            figures[lesson].append(_html_figure(path.name, outcome.findings, [each.name for each in written]))
            progress.advance(task)
    index = folder / "index.html"
    with appearing_whole(index) as partial:
        partial.write_text(_html_page(figures), encoding="utf-8")
    return index


def make_readme_figures(console: Console) -> list[Path]:
    """Write each lesson's figure, on the picture that shows its point best, small enough to be kept in git."""
    README_FIGURES.mkdir(exist_ok=True)
    written = []
    with _progress(console) as progress:
        for lesson, settings in progress.track(LESSONS.items(), total=len(LESSONS), description="README"):
            picture = read_picture(PICS / settings.picture)
            outcome = settings.run(settings.picture, picture, **default_options(lesson))
            written.append(README_FIGURES / f"{lesson}.png")
            _save_small(outcome.figure, written[-1])
    return written


def unique_names(pictures: Sequence[Path]) -> list[str]:
    """A name for each picture's files: its own without the extension, numbered if an earlier picture has the same."""
    seen: Counter[str] = Counter()
    names = []
    for path in pictures:
        seen[path.stem] += 1
        names.append(path.stem if seen[path.stem] == 1 else f"{path.stem}-{seen[path.stem]}")
    return names


def _save_small(figure: Figure, path: Path) -> None:
    for dots_per_inch in range(100, 40, -4):
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=dots_per_inch, bbox_inches="tight")
        with Image.open(drawn) as image:
            palette = image.convert("RGB").quantize(
                COLOURS, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
            )
        palette.save(path, optimize=True)
        if path.stat().st_size < README_BYTES:
            return


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _html_figure(picture: str, findings: str, files: Sequence[str]) -> str:
    figure, *results = files
    links = " ".join(f'<a href="{html.escape(file)}">{html.escape(file)}</a>' for file in results)
    return (
        f'<figure><a href="{html.escape(figure)}"><img src="{html.escape(figure)}" loading="lazy" '
        f'alt="{html.escape(picture)}"></a><figcaption>{html.escape(picture)}: {html.escape(findings)}. '
        f"Results: {links}</figcaption></figure>"
    )


def _html_page(figures: dict[str, list[str]]) -> str:
    links = "".join(f'<a href="#{lesson}">{lesson}</a>' for lesson in figures)
    sections = "".join(
        f'<h2 id="{lesson}">{lesson}: {html.escape(LESSONS[lesson].summary)}</h2>{"".join(drawn)}'
        for lesson, drawn in figures.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>cv_basics</title>'
        f"<style>{STYLE}</style><h1>Picture basics by hand</h1><nav>{links}</nav>{sections}</html>\n"
    )
