"""Figures in the text of the READMEs that stem from the committed results: a comment behind each says from where."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ladder.core.versions import ROOT
from ladder.timing import readmes
from ladder.timing.bench_readme import Found

from .markdown import documents
from .test_chart import line, results

NAMES = re.compile(r"(versions/(\d\d_\w+/)?)?README\.md")
DOCUMENTS = [path for path in documents() if NAMES.fullmatch(path.relative_to(ROOT).as_posix())]
UNITS: dict[str, Callable[[float], float]] = {
    "": float,
    "times": float,
    "%": lambda share: 100 * share,
    "ms": lambda seconds: 1e3 * seconds,
    "s": float,
    "GFLOP/s": lambda flops: flops / 1e9,
    "billion multiply-adds per second": lambda flops: flops / 2e9,
    "ns per multiply-add": lambda flops: 2e9 / flops,
}
COMMENT = "<!-- bench.json: "
MARKED = re.compile(rf"(\d[\d.]*) ?({'|'.join(UNITS)}){COMMENT}(.+?) -->")


def faults(text: str, found: Found) -> list[str]:
    """What is wrong with the marked figures of a text."""
    text = " ".join(text.split())
    marked = [match.groups() for match in MARKED.finditer(text)]
    wrong = [f"{text.count(COMMENT)} comments, {len(marked)} figures"] * (len(marked) != text.count(COMMENT))
    for figure, unit, keys in marked:
        decimals = len(figure.partition(".")[2])
        true = f"{UNITS[unit](value(found, keys.split(', '))):.{decimals}f}"
        if figure != true:
            wrong.append(f"{figure} {unit} should be {true} ({keys})")
    return wrong


def value(found: Found, keys: list[str]) -> float:
    """The number at `224, 10, 2 threads, faster, median`: size, version, its threads if it is not one, and keys."""
    content: Any = found[int(keys[0])]
    rest = keys[1:]
    lines = [line for line in content["versions"] if line["name"].startswith(f"{rest[0]}_")]
    if lines:
        threads = re.fullmatch(r"(\d+) threads", rest[1])
        [content] = [line for line in lines if line["threads"] == int(threads[1] if threads else 1)]
        rest = rest[2 if threads else 1 :]
    for key in rest:
        content = content[key]
    return float(content)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_a_figure_that_stems_from_the_committed_results_is_theirs(document: Path):
    assert faults(document.read_text(encoding="utf-8"), readmes.published(ROOT)) == []


def test_the_figures_are_found():
    assert sum(document.read_text(encoding="utf-8").count(COMMENT) for document in DOCUMENTS) > 5


RUN = results(
    224,
    [line("10_ten", 0.0742, faster=1.125, flops=4.04e9), line("10_ten", 0.0371, threads=2, faster=1.25, flops=8e9)],
)
RUN["peak"] = {"1": {"AVX2": 116.4e9}}


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("30 %", "10, share_of_peak", []),
        ("31 %", "10, share_of_peak", ["31 % should be 30 (224, 10, share_of_peak)"]),
        ("30.0 %", "10, share_of_peak", []),
        ("74 ms", "10, median", []),
        ("74.1 ms", "10, median", ["74.1 ms should be 74.2 (224, 10, median)"]),
        ("12 and 37.1 ms", "10, 2 threads, median", []),
        ("it is 1.25 times", "10, 2 threads, faster, median", []),
        ("2.0 billion multiply-adds\nper second", "10, flops", []),
        ("116 GFLOP/s", "peak, 1, AVX2", []),
        ("30 pigs", "10, share_of_peak", ["1 comments, 0 figures"]),
        ("nothing", "10, median", ["1 comments, 0 figures"]),
    ],
)
def test_a_wrong_figure_is_told(text: str, keys: str, expected: list[str]):
    assert faults(f"some text, {text}{COMMENT}224, {keys} -->, and more", {224: RUN}) == expected
