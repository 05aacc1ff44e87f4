"""How long the loops, NumPy and OpenCV take for the same bytes, on one picture, in alternating rounds of one run."""

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cv_basics import canny, color, gaussian_blur, gray, mean_blur, median_blur, otsu
from cv_basics.picture import Picture

README = Path(__file__).parent / "README.md"
START, END = "<!-- bench: start -->", "<!-- bench: end -->"
SECONDS_PER_ROUND = 0.05  # a short call is repeated for this long in each round


@dataclass(frozen=True)
class Race:
    """One computation, its three implementations and their arguments; `loops` is None where they would take minutes."""

    name: str
    loops: Callable[..., Any] | None
    numpy: Callable[..., Any]
    opencv: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass
class Times:
    """The milliseconds that each implementation took in each round."""

    name: str
    loops: list[float]
    numpy: list[float]
    opencv: list[float]

    @property
    def ratio(self) -> float:
        """The median over the rounds of NumPy's time divided by OpenCV's."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.numpy, self.opencv, strict=True))


def all_races(picture: Picture) -> list[Race]:
    """All computations on an RGB picture (H, W, 3) and on its grey one. RuntimeError if OpenCV is not installed."""
    cv2 = _opencv()
    cv2.setNumThreads(1)
    grey = gray.gray_numpy(picture)

    def convert(code: int) -> Callable[..., Any]:
        return lambda source: cv2.cvtColor(source, code)

    def threshold(source: Picture) -> Any:
        return cv2.threshold(source, 0, 255, cv2.THRESH_OTSU)

    to_grey, to_yuv, to_rgb = map(convert, (cv2.COLOR_RGB2GRAY, cv2.COLOR_RGB2YUV, cv2.COLOR_YUV2RGB))
    median_loops, median_numpy = median_blur.median_blur_loops, median_blur.median_blur_numpy
    return [
        Race("grey", gray.gray_loops, gray.gray_numpy, to_grey, (picture,)),
        Race("RGB to YUV", color.rgb_to_yuv_loops, color.rgb_to_yuv_numpy, to_yuv, (picture,)),
        Race("YUV to RGB", color.yuv_to_rgb_loops, color.yuv_to_rgb_numpy, to_rgb, (picture,)),
        *_blur_races("grey", grey),
        *_blur_races("colour", picture),
        Race("median 5 x 5, grey", median_loops, median_numpy, cv2.medianBlur, (grey, 5)),
        Race("Canny, grey", canny.canny_loops, canny.canny_numpy, cv2.Canny, (grey, 50, 150)),
        Race("Otsu, grey", otsu.otsu_loops, otsu.otsu_numpy, threshold, (grey,)),
    ]


def _blur_races(kind: str, picture: Picture) -> list[Race]:
    cv2 = _opencv()

    def mean(source: Picture, size: int) -> Any:
        return cv2.blur(source, (size, size))

    def gaussian(source: Picture, size: int, sigma: float) -> Any:
        return cv2.GaussianBlur(source, (size, size), sigma)

    mean_loops, mean_numpy = mean_blur.mean_blur_loops, mean_blur.mean_blur_numpy
    gaussian_loops, gaussian_numpy = gaussian_blur.gaussian_blur_loops, gaussian_blur.gaussian_blur_numpy
    return [
        Race(f"mean blur 5 x 5, {kind}", mean_loops, mean_numpy, mean, (picture, 5)),
        Race(f"mean blur 31 x 31, {kind}", None, mean_numpy, mean, (picture, 31)),
        Race(f"Gaussian blur 5 x 5, {kind}", gaussian_loops, gaussian_numpy, gaussian, (picture, 5, 1.4)),
    ]


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        message = "bench compares with OpenCV, which is not installed: pip install opencv-python-headless"
        raise RuntimeError(message) from None
    return cv2


def measure(races: Sequence[Race], rounds: int, console: Console, with_loops: bool = True) -> list[Times]:
    """Check that the implementations give the same bytes, then time them in turn. RuntimeError if they differ."""
    results = [Times(race.name, [], [], []) for race in races]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=(rounds + 1) * len(races))
        for turn in range(rounds + 1):
            for race, times in zip(races, results, strict=True):
                progress.update(task, description=f"{race.name:27}")
                if turn == 0:
                    _check_equal(race)
                else:
                    times.numpy.append(milliseconds(race.numpy, *race.arguments))
                    times.opencv.append(milliseconds(race.opencv, *race.arguments))
                    if with_loops and race.loops:
                        times.loops.append(milliseconds(race.loops, *race.arguments))
                progress.advance(task)
    return results


def show(results: Sequence[Times], console: Console) -> None:
    """Print the times as a table."""
    table = Table("milliseconds", "loops", "NumPy", "OpenCV", "NumPy / OpenCV", title="the same bytes, three times")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in _rows(results):
        table.add_row(*row)
    console.print(table)


def write(results: Sequence[Times], picture: str, side: int, rounds: int) -> None:
    """Write the times as a table between the README's markers. RuntimeError if the markers are missing."""
    import cv2

    text = README.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise RuntimeError(f"{README}: the markers {START} and {END} are missing")
    lines = [
        "| | loops [ms] | NumPy [ms] | OpenCV [ms] | NumPy / OpenCV |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {' | '.join(row)} |" for row in _rows(results)),
        "",
        f"`{picture}` at {side} x {side} pixels, medians of {rounds} rounds, one thread, on {_processor()};",
        f"Python {platform.python_version()}, NumPy {np.__version__}, OpenCV {cv2.__version__}.",
    ]
    before, after = text[: text.index(START)], text[text.index(END) :]
    README.write_text("\n".join([before + START, *lines, after]), encoding="utf-8")


def _rows(results: Sequence[Times]) -> list[tuple[str, ...]]:
    return [
        (
            times.name,
            f"{statistics.median(times.loops):.0f}" if times.loops else "-",
            f"{statistics.median(times.numpy):.2f}",
            f"{statistics.median(times.opencv):.3f}",
            f"{times.ratio:.1f}",
        )
        for times in results
    ]


def _check_equal(race: Race) -> None:
    def parts(result: Any) -> tuple[Any, ...]:
        return result if isinstance(result, tuple) else (result,)

    ours_and_theirs = (parts(function(*race.arguments)) for function in (race.numpy, race.opencv))
    for ours, theirs in zip(*ours_and_theirs, strict=True):
        if not np.array_equal(ours, theirs):
            raise RuntimeError(f"{race.name}: NumPy and OpenCV differ, so their times cannot be compared")


def milliseconds(call: Callable[..., Any], *arguments: Any) -> float:
    """The median time of the calls that fit into SECONDS_PER_ROUND, at least one."""
    spent: list[float] = []
    while not spent or sum(spent) < SECONDS_PER_ROUND:
        start = time.perf_counter()
        call(*arguments)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent) * 1000


def _processor() -> str:
    """The processor's model name, where the system gives one."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
