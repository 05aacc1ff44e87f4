"""What belongs together in two versions: files in a reader's order, lines side by side, words that changed."""

import pytest

from ladder.chain.difference import Change, Row, blocks, compare, words
from ladder.core.git import Hunk, hunks
from ladder.core.highlight import lines_of_code, mark, tokens


def only(before: str, after: str, path: str = "src/a.py") -> Change:
    """The one file that differs."""
    [change] = compare({path: before.encode()}, {path: after.encode()})
    return change


def marked(line: str, spans: tuple[tuple[int, int], ...]) -> list[str]:
    """The parts of a line that the spans cover."""
    return [line[start:end] for start, end in spans]


def test_source_comes_first_and_metadata_last():
    paths = ["README.md", "pyproject.toml", "meson.build", "tests/test_a.py", "src/resnet50/a.py", "data/x.txt"]
    paths += ["src/resnet50/ops/b.c", "src/resnet50/ops/a.c"]
    assert [change.path for change in compare({}, {path: b"x\n" for path in paths})] == [
        "src/resnet50/ops/a.c",
        "src/resnet50/ops/b.c",
        "src/resnet50/a.py",
        "tests/test_a.py",
        "data/x.txt",
        "meson.build",
        "pyproject.toml",
        "README.md",
    ]


def test_files_are_new_removed_changed_or_not_there():
    before = {"same": b"s\n", "gone": b"1\n2\n", "changed": b"1\n2\n3\n"}
    after = {"same": b"s\n", "new": b"1\n", "changed": b"1\n2\n"}
    found = {change.path: (change.state, change.added, change.removed) for change in compare(before, after)}
    assert found == {"gone": ("removed", 0, 2), "new": ("new", 1, 0), "changed": ("", 0, 1)}


def test_a_file_in_another_language_stands_beside_the_one_it_replaces():
    [change] = compare({"src/ops/add.py": b"a\nsame\nb\n"}, {"src/ops/add.c": b"A\nsame\n"})
    assert (change.state, change.title) == ("rewritten", "src/ops/add.py -> add.c")
    assert (change.added, change.removed) == (2, 3)
    assert change.rows() == [Row(0, 0), Row(1, 1), Row(2, None)]


def test_a_removed_file_with_two_successors_belongs_to_neither():
    states = [change.state for change in compare({"a.py": b"1\n"}, {"a.c": b"1\n", "a.h": b"1\n"})]
    assert sorted(states) == ["new", "new", "removed"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", []),
        ("a\n", "a\n", []),
        ("", "a\nb\n", [Hunk(range(0), range(2))]),
        ("a\n", "", [Hunk(range(1), range(0))]),
        ("a\nb\nc\n", "a\nB\nc\n", [Hunk(range(1, 2), range(1, 2))]),
        ("a\nb\n", "a\nx\ny\nb\n", [Hunk(range(1, 1), range(1, 3))]),
        ("a\n@@ -9 +9 @@\n", "a\n", [Hunk(range(1, 2), range(1, 1))]),
        ("a", "a\n", [Hunk(range(1), range(1))]),
    ],
)
def test_git_says_which_lines_differ(before: str, after: str, expected: list[Hunk]):
    assert hunks(before.encode(), after.encode()) == expected


def test_no_setting_of_the_user_changes_what_git_says(tmp_path, monkeypatch):
    settings = "[diff]\ninterHunkContext = 9\nexternal = false\nnoprefix = true\n[color]\nui = always\n"
    (tmp_path / ".gitconfig").write_text(settings)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    assert len(hunks(b"a\nb\nc\n", b"A\nb\nC\n")) == 2


@pytest.mark.parametrize("program", [None, "echo xcrun: error: invalid active developer path >&2; exit 1"])
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "a\nb\n", [Hunk(range(0), range(2))]),
        ("a\nb\nc\n", "a\nB\nc\n", [Hunk(range(1, 2), range(1, 2))]),
        ("a\r\n\x0cb\n", "a\r\n\x0cb\nc", [Hunk(range(2, 2), range(2, 3))]),
    ],
)
def test_lines_are_compared_without_git_and_with_one_that_does_not_work(
    before: str, after: str, expected: list[Hunk], program: str | None, tmp_path, monkeypatch
):
    if program:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hunks(before.encode(), after.encode()) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "new\n"),
        ("one\ntwo\nthree\n", "zero\none\n2\nthree\nfour\n"),
        ("a\n\x0c\nb\r\n\n", "a\n\x0c\nc\r\n\n\n"),
        ("no end", "no end\nof the file"),
        ("x = f(a, b)\ny\n" * 9, "y\nx = f(a, c)\n" * 9),
    ],
)
def test_the_rows_hold_both_files_whole_and_in_order(before: str, after: str):
    change = only(before, after)
    rows = change.rows()
    assert [row.old for row in rows if row.old is not None] == list(
        range(len(before.removesuffix("\n").split("\n") if before else []))
    )
    assert [row.new for row in rows if row.new is not None] == list(range(len(after.removesuffix("\n").split("\n"))))
    assert all(change.before[row.old] == change.after[row.new] for row in rows if not row.changed)
    assert sum(row.changed and row.new is not None for row in rows) == change.added


def test_lines_that_became_one_another_are_side_by_side():
    change = only("def f(x, y):\n    return x + y\n", "# unlike any\ndef f(x, y, z):\n    more = 1\n    return x + z\n")
    assert [(row.old, row.new) for row in change.rows()] == [(None, 0), (0, 1), (None, 2), (1, 3)]


def test_the_words_that_changed_are_marked_and_no_others():
    [row] = only("total += weight[i] * x[i]\n", "total += kernel[j] * x[i]\n").rows()
    assert marked("total += weight[i] * x[i]", row.old_words) == ["weight", "i"]
    assert marked("total += kernel[j] * x[i]", row.new_words) == ["kernel", "j"]


def test_changed_words_with_a_blank_between_them_are_one_part():
    old, new = words("a one two z", "a 1 2 3 z")
    assert (marked("a one two z", old), marked("a 1 2 3 z", new)) == (["one two"], ["1 2 3"])


def test_lines_with_little_in_common_have_no_words_marked():
    [row] = only("first = second(third)\n", "while other: pass\n").rows()
    assert row == Row(0, 0)


def test_lines_far_from_a_change_are_folded():
    lines = [f"line {i}" for i in range(20)]
    change = only("\n".join(lines), "\n".join([*lines[:10], "another", *lines[11:]]))
    assert [(kind, len(run)) for kind, run in blocks(change.rows())] == [
        ("folded", 7),
        ("same", 3),
        ("changed", 1),
        ("same", 3),
        ("folded", 6),
    ]


def test_one_line_alone_is_not_folded():
    lines = ["far", "1", "2", "3", "old"]
    kinds = [kind for kind, _ in blocks(only("\n".join(lines), "\n".join([*lines[:4], "new"])).rows())]
    assert "folded" not in kinds


@pytest.mark.parametrize("path", ["a.py", "a.c", "meson.build", "a.toml", "a.md", "a.unknown"])
def test_tokens_give_the_text_back_line_by_line(path: str):
    lines = ["", '"""One', "two # three", '"""', "/* a", "b */", "\tx = 1\x0c \r", ""]
    assert ["".join(piece.text for piece in line) for line in tokens(path, lines)] == lines
    assert tokens(path, []) == []


def test_a_token_is_cut_where_a_changed_part_begins_and_ends():
    [line] = tokens("a.py", ["'one two' + x"])
    assert [(piece.text, piece.changed) for piece in mark(line, ((1, 4), (10, 13))) if piece.changed] == [
        ("one", True),
        ("+", True),
        (" ", True),
        ("x", True),
    ]


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        (
            "a.py",
            '"""Doc\n\nstring."""\n\nx = 1  # one\n# two\n\n\ndef f():\n    """Doc."""\n    return """a\n\nb"""\n',
            4,
        ),
        ("a.c", "/* one\n * two */\n#include <math.h>\n\nint f(void) /* why */\n{\n    return 1;\n}\n", 5),
        ("a.py", "", 0),
    ],
)
def test_lines_of_code_have_more_than_comments(path: str, text: str, count: int):
    assert lines_of_code(path, text) == count
