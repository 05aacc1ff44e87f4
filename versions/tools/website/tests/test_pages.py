"""Which pages there are, where their links lead, and what they say of what was not measured; on a made-up tree."""

import json
from pathlib import Path

import pytest
from lxml.html import HtmlElement

from ladder.timing import history
from website.__main__ import main
from website.tests.conftest import SVG, parse, write

LAYERS = [
    {"name": "conv1", "stage": "stem", "kind": "conv 7x7", "shape": [112, 112, 64], "seconds": 0.003},
    {"name": "bn1", "stage": "stem", "kind": "batch norm", "shape": [112, 112, 64], "seconds": 0.001},
]
COST = {"operations": 8_000_000, "done": 8_000_000, "bytes": 2_000_000, "limit": 0.0005}
PROFILE = {
    "processor": "a fast one",
    "size": 224,
    "versions": [{"threads": 1, "peak": 8e9, "rows": [layer | COST for layer in LAYERS]}],
}


def page(root: Path, name: str) -> HtmlElement:
    """The article on a page of the site."""
    return parse(root / "build" / "site" / f"{name}.html").cssselect("article")[0]


def link(article: HtmlElement, text: str) -> str:
    """Where the words lead."""
    return next(tag.get("href") for tag in article.cssselect("a") if tag.text_content() == text)


def pictures(article: HtmlElement) -> list[str]:
    """The addresses of its pictures."""
    return [str(address) for address in article.xpath(".//img/@src")]


def test_links_between_folders_and_files_become_links_between_pages(tree: Path):
    assert main([], tree) == 0
    assert link(page(tree, "README"), "one") == "versions/01_one/README.html"
    assert link(page(tree, "README"), "code") == "versions/02_two/src/ops/conv2d.c.html"
    assert link(page(tree, "versions/02_two/README"), "the operators") == "src/ops/index.html"
    assert link(page(tree, "versions/02_two/README"), "home") == "../../README.html"
    assert link(page(tree, "versions/02_two/src/ops/index"), "conv2d.c") == "conv2d.c.html"
    assert "int tile = 2;" in page(tree, "versions/02_two/src/ops/conv2d.c").text_content()


def test_a_link_to_a_picture_leads_to_the_picture(tree: Path):
    write(tree, "drawing.svg", SVG)
    write(tree, "README.md", "# Front\n\n[as a drawing](drawing.svg)\n")
    assert main([], tree) == 0
    assert link(page(tree, "README"), "as a drawing") == "drawing.svg"
    assert (tree / "build/site/drawing.svg").read_text() == SVG


def test_a_dead_link_is_named_with_its_file_and_line(tree: Path, capfd: pytest.CaptureFixture[str]):
    write(tree, "README.md", "# Front\n\nSee [there](nowhere.py).\n")
    assert main([], tree) == 1
    faults = capfd.readouterr().err.strip().splitlines()
    assert len(faults) == 1 and "README.md:3: WARNING: the link leads to nowhere.py, which is not there" in faults[0]


def test_a_link_out_of_the_repository_is_a_dead_one(tree: Path, capfd: pytest.CaptureFixture[str]):
    write(tree, "README.md", "# Front\n\nSee [there](../../.).\n")
    assert main([], tree) == 1
    assert "which is not there" in capfd.readouterr().err


def test_a_picture_that_is_not_there_is_a_fault(tree: Path, capfd: pytest.CaptureFixture[str]):
    write(tree, "README.md", "# Front\n\n![chart](chart.svg)\n")
    assert main([], tree) == 1
    assert "chart.svg" in capfd.readouterr().err


def test_a_version_that_declares_nothing_is_refused_in_one_sentence(tree: Path, capfd: pytest.CaptureFixture[str]):
    write(tree, "versions/02_two/pyproject.toml", "[project]\nname = 'two'\n")
    assert main([], tree) == 2
    error = capfd.readouterr().err
    assert "has no table [tool.ladder]" in error and "Traceback" not in error


def test_what_was_not_measured_is_said_with_the_command_that_measures_it(tree: Path):
    write(tree, "mnist/README.md", "# mnist\n")
    assert main([], tree) == 0
    for name, command in (("README", "bench"), ("versions/02_two/README", "profile -- 02"), ("mnist/README", "mnist")):
        assert f"nox -s {command}" in page(tree, name).text_content()


def test_the_chart_and_the_curves_are_shown_once_they_are_drawn(tree: Path):
    write(tree, "mnist/README.md", "# mnist\n")
    write(tree, "build/bench/chart.svg", SVG)
    write(tree, "build/mnist/curves.png", "")
    assert main([], tree) == 0
    assert pictures(page(tree, "README")) == ["_images/chart.svg"]
    assert pictures(page(tree, "mnist/README")) == ["../_images/curves.png"]


def test_a_chart_of_versions_that_were_changed_is_stale(tree: Path, monkeypatch: pytest.MonkeyPatch):
    line = {"name": "02_two", "threads": 1, "sources": "old", "rounds": [0], "seconds": [1.0], "spread": 0.0}
    made = {"compiler": "cc 1", "variables": {}, "busy": 0}
    machine = {"name": "this one", "vectors": ["avx2"]}
    run = {"id": "1", "size": 224, "options": {"names": []}, "conditions": made, "processor": machine}
    monkeypatch.setattr(history, "today", lambda: history.Today("this one", ("avx2",), "cc 1", {}))
    history.keep(tree, run | {"disturbed": False, "starts": [0], "versions": [line], "peers": []})
    write(tree, "build/bench/chart.svg", SVG)
    assert main([], tree) == 0
    assert "This chart is stale: 02_two changed since;" in page(tree, "README").text_content()


def test_a_profile_is_shown_by_kind_by_stage_and_by_layer(tree: Path):
    write(tree, "build/profile/02_two.json", json.dumps(PROFILE))
    assert main([], tree) == 0
    tables = page(tree, "versions/02_two/README").cssselect("table.docutils")
    by_kind, by_stage, layers = (
        [[cell.text_content() for cell in row.cssselect("td")] for row in table.cssselect("tbody tr")]
        for table in tables
    )
    assert by_kind[0] == ["conv 7x7", "3.000", "75.0%", "2.67", "33.3%", "2.00", "0.500"]
    assert by_stage == [["stem", "4.000", "100.0%", "4", "50.0%", "4.00", "1.000"]]
    assert layers[1] == ["bn1", "112x112x64", "1.000", "25.0%", "8", "100.0%", "2.00", "0.500"]


def test_a_profile_of_other_operations_than_are_counted_shows_both(tree: Path):
    rows = [LAYERS[0] | COST | {"done": 2_000_000}, LAYERS[1] | COST]
    found = PROFILE | {"versions": [{"threads": 1, "peak": 8e9, "rows": rows}]}
    write(tree, "build/profile/02_two.json", json.dumps(found))
    assert main([], tree) == 0
    article = page(tree, "versions/02_two/README")
    by_kind = [[cell.text_content() for cell in row.cssselect("td")] for row in article.cssselect("tbody tr")][:2]
    assert by_kind[0] == ["conv 7x7", "3.000", "75.0%", "2.67*", "33.3%*", "8.3%", "2.00", "0.500"]
    assert by_kind[1] == ["batch norm", "1.000", "25.0%", "8", "100.0%", "", "2.00", "0.500"]
    assert "*: counted as if each convolution were direct, so it may pass 100 %" in article.text_content()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"versions": []}'])
def test_a_damaged_profile_is_named(content: str, tree: Path):
    write(tree, "build/profile/02_two.json", content)
    assert main([], tree) == 0
    assert "build/profile/02_two.json can't be read" in page(tree, "versions/02_two/README").text_content()


def test_the_difference_shows_the_changed_line(tree: Path):
    assert main([], tree) == 0
    changed = page(tree, "versions/02_two/README").cssselect("#diff-src-ops-conv2d-c .changed > div")
    assert [line.text_content().strip() for line in changed] == ["int tile = 1;", "int tile = 2;"]


def test_a_wrong_argument_is_refused_in_one_line(tree: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as refused:
        main(["--out", "elsewhere"], tree)
    assert refused.value.code == 2 and len(capfd.readouterr().err.splitlines()) == 1


def test_a_page_of_an_earlier_site_is_removed(tree: Path):
    write(tree, "build/site/old.html", "")
    assert main([], tree) == 0
    assert not (tree / "build/site/old.html").exists()


def test_the_lessons_examples_are_a_program(tree: Path):
    write(
        tree, "versions/README.md", "# Lesson\n\nThat is:\n\n```pycon\n>>> six = 2 * 3\n>>> six\n6\n```\n\n7 is not.\n"
    )
    assert main([], tree) == 0
    article = page(tree, "versions/README")
    file = tree / "build" / "site" / "versions" / link(article, "lesson.py")
    text = file.read_text()
    assert "\nsix = 2 * 3\nsix\n# Expected:\n## 6\n#\n# ```\n#\n# 7 is not.\n" in text
    found: dict = {}
    exec(compile(text, file.name, "exec"), found)
    assert found["six"] == 6
