"""The site of this repository, one of a small made-up tree, and the browser that looks at them."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import html
from lxml.html import HtmlElement
from playwright.sync_api import Browser, Page, sync_playwright

from ladder.core.versions import ROOT
from website.__main__ import main

VERSIONS = sorted(folder.name for folder in (ROOT / "versions").glob("[0-9][0-9]_*"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = {"screen": 1280, "phone": 390}
BLANK = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
Opened = tuple[Page, list[str]]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
DECLARED = """
[project]
name = "resnet50-{name}"
[tool.ladder]
idea = "{name}"
"""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of this repository's site, made anew."""
    assert main([]) == 0
    return ROOT / "build" / "site"


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, HtmlElement]:
    """All pages of that site."""
    return {file: parse(file) for file in site.rglob("*.html")}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a front page and two versions, of which the second changes a line of C."""
    write(tmp_path, "README.md", "# Front\n\n[one](versions/01_one), [code](versions/02_two/src/ops/conv2d.c)\n")
    for name, value in (("01_one", 1), ("02_two", 2)):
        folder = f"versions/{name}"
        previous = 'previous = "01_one"\nchanges = ["src/ops/conv2d.c"]\n' if value == 2 else ""
        write(tmp_path, f"{folder}/pyproject.toml", DECLARED.format(name=name) + previous)
        write(tmp_path, f"{folder}/README.md", f"# {name}\n\nSee [the operators](src/ops) and [home](../..).\n")
        write(tmp_path, f"{folder}/src/ops/conv2d.c", f"int tile = {value};\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    """Write a file, and make the folders for it."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def parse(file: Path) -> HtmlElement:
    """A page as a tree of its elements."""
    return html.document_fromstring(file.read_bytes(), parser=html.HTMLParser(encoding="utf-8"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (on Debian: apt-get install chromium)")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox does not work for root
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """A function that opens a page, and what the browser complains of or asks the network for from then on."""
    contexts = []

    def opened(file: Path, device: str = "screen", scheme: str = "light") -> Opened:
        size = {"width": WIDTHS[device], "height": 900}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce"))
        page, faults = contexts[-1].new_page(), []
        page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(f"not loaded: {request.url}"))
        page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
        page.goto(file.as_uri())
        return page, faults

    yield opened
    for context in contexts:
        context.close()
