"""The files of the site: complete, and without a dead link."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml.html import HtmlElement

from ladder.core.files import names
from website.tests.conftest import ROOT, VERSIONS

Pages = dict[Path, HtmlElement]


def test_no_link_is_dead(pages: Pages, site: Path):
    names = {file: set(page.xpath("//@id")) for file, page in pages.items()}
    dead = []
    for file, page in pages.items():
        for _, _, link, _ in page.iterlinks():
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in names[target]):
                dead.append(f"{file.relative_to(site)}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_another_site(pages: Pages):
    for page in pages.values():
        loaded = page.xpath("//@src") + page.xpath("//link/@href")
        assert [address for address in loaded if urlsplit(address).netloc] == []


def test_every_markdown_file_is_a_page(site: Path):
    documents = [name for name in names(ROOT) if name.endswith(".md")]
    assert documents and [name for name in documents if not (site / name).with_suffix(".html").exists()] == []


def test_every_version_shows_its_lesson_its_profile_and_its_difference(pages: Pages, site: Path):
    for number, version in enumerate(VERSIONS):
        page = pages[site / "versions" / version / "README.html"]
        heads = [head.text_content() for head in page.cssselect("h2")]
        assert any(head.startswith("Where the time goes") for head in heads)
        assert any(head.startswith("The difference to") for head in heads) == (number > 0)
        assert bool(page.cssselect(".ladder-diff .changed .new")) == (number > 0)


def test_the_figures_of_the_lessons_the_structure_and_the_pictures_are_shown(pages: Pages, site: Path):
    shown = {"cv_basics/README": 6, "shared_weights/README": 1, "pics/SOURCES": 40, "versions/README": 11}
    for name, pictures in shown.items():
        assert len(pages[site / f"{name}.html"].cssselect("article img")) >= pictures
