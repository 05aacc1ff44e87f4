"""The page of `diff --html`, and the part of it that the site shows."""

import errno
import re
from html.parser import HTMLParser
from pathlib import Path

from ladder.__main__ import main
from ladder.chain import diff_html
from ladder.chain.difference import compare
from ladder.chain.passages import Passage

from .conftest import KERNEL, TEST, Tree
from .test_history import this_machine  # noqa: F401 (a fixture)


class Page(HTMLParser):
    """Reads a page: every tag must be closed, and what it refers to is collected."""

    VOID = ("meta", "link")

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.lines: dict[str, list[str]] = {"old": [], "new": []}
        self.side: str | None = None
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [value for name, value in attributes if name in ("href", "src") and value]
        if tag == "div":
            self.side = values.get("class") if "data-line" in values else None
            if self.side:
                self.lines[self.side].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.side = None if tag == "div" else self.side

    def handle_data(self, data: str) -> None:
        if self.side:
            self.lines[self.side][-1] += data


def test_the_page_holds_both_files_whole_and_needs_nothing_else(ladder: Tree, tmp_path: Path, capsys):
    path = tmp_path / "difference.html"
    assert main(["diff", "01", "02", "--html", str(path)], ladder.root) == 0
    assert capsys.readouterr() == ("", f"written to {path}\n")
    text = path.read_text()
    page = Page(text)
    assert all(line in page.lines["old"] for line in (KERNEL + "gone\n").splitlines())
    assert all(line in page.lines["new"] for line in TEST.splitlines())
    anchors = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert anchors == page.ids and len(set(anchors)) == 5
    assert [link for link in page.links if not link.startswith("#")] == ["data:,"]
    assert "the idea of 02_two" in text and "was not measured" in text and "http" not in text and "@import" not in text
    assert re.search(r"<mark>(<span[^>]*>)?kernel", text)
    assert text.split("</details>")[1].count("<mark>") == 2


def test_a_page_that_cannot_be_written_to_its_end_leaves_the_old_one(ladder: Tree, tmp_path: Path, monkeypatch):
    def half(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode(encoding)[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    page = tmp_path / "page.html"
    page.write_text("old")
    monkeypatch.setattr(Path, "write_text", half)
    assert main(["diff", "02", "--html", str(page)], ladder.root) == 2
    assert page.read_text() == "old" and [*tmp_path.glob(".*"), *tmp_path.glob("*.html")] == [page]


def test_a_page_unfolds_everything_with_full(ladder: Tree, tmp_path: Path):
    folded, full = tmp_path / "folded.html", tmp_path / "full.html"
    main(["diff", "02", "--html", str(folded)], ladder.root)
    main(["diff", "02", "--html", str(full), "--full"], ladder.root)
    assert folded.read_text().count('<details class="fold">') == 1
    unfolded = folded.read_text().replace('<details class="fold">', '<details class="fold" open>')
    closed = re.compile(r'(<details class="file \w+" id="diff-(tests-test_new-py|pyproject-toml|README-md)")>')
    assert len(closed.findall(unfolded)) == 3 and full.read_text() == closed.sub(r"\1 open>", unfolded)


def test_the_page_begins_with_the_lines_that_hold_the_idea(ladder: Tree, tmp_path: Path):
    path = tmp_path / "difference.html"
    ladder.version("04_four", {"src/b.py": "first = 1\nsecond = 2\n"}, previous="03_three", read=["src/b.py: second"])
    main(["diff", "04", "--html", str(path)], ladder.root)
    text = path.read_text()
    read_first, rest = text.split("<h3>Read these 1 lines: they hold the idea</h3>")[1].split("<h3>The rest</h3>")
    assert Page(read_first).lines["new"] == ["second = 2"] and "src/b.py: second" in read_first
    assert Page(rest.partition("</div>\n</body>")[0]).lines["new"][:2] == ["first = 1", "second = 2"]
    assert Page(text).ids == list(dict.fromkeys(Page(text).ids))


def test_lines_of_one_side_alone_have_the_whole_width():
    changes = compare({"a.py": b"first = 1\n"}, {"a.py": b"first = 1\nsecond = 2\n"})
    passages = [Passage("a.py", "second", range(1, 2)), Passage("a.py", "", range(2))]
    text = diff_html.fragment(changes, passages)
    assert re.findall(r'<details class="file (\w+)"', text) == ["alone", "both", "both"]


def test_what_turns_the_writing_direction_is_written_out_on_the_page_too():
    text = diff_html.fragment(compare({}, {"a\u202eb.md": b"", "c.py": "x = 1  # \u2066\x1b[1m\n".encode()}))
    assert "a\\u202eb.md" in text and "# \\u2066\\x1b[1m" in text
    assert not set(text) & {"\u202e", "\u2066", "\x1b"}


def test_a_fragment_is_one_element_and_its_text_is_no_markup():
    evil = '<script>alert("&amp;")</script>'
    text = diff_html.fragment(compare({}, {"a<b>.md": evil.encode(), "c.py": f"# {evil}\n".encode()}))
    page = Page(text)
    assert text.startswith('<div class="ladder-diff">') and "<script" not in text and "<b>" not in text
    assert page.lines["new"] == [evil, f"# {evil}"]


def test_the_sheet_knows_dark_by_the_system_or_by_a_selector():
    by_system, by_page = diff_html.stylesheet(), diff_html.stylesheet('[data-theme="dark"]')
    assert by_system.count("prefers-color-scheme: dark") == 1 and "prefers-color-scheme" not in by_page
    assert '[data-theme="dark"] .ladder-diff .k ' in by_page and '[data-theme="dark"] {\n  --diff-text' in by_page
    assert by_system.count("{") == by_system.count("}") and by_page.count("{") == by_page.count("}")
