"""`diff`: what it prints, its pager and its refusals."""

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from ladder.__main__ import main
from ladder.chain import diff_text
from ladder.chain.difference import compare
from ladder.core import terminal

from .conftest import KERNEL, SHARED, Tree
from .test_history import keep, this_machine  # noqa: F401 (a fixture)


def shown(capsys, tree: Tree, *arguments: str) -> str:
    """What the command prints."""
    assert main(["diff", *arguments], tree.root) == 0
    return capsys.readouterr().out


def measure(tree: Tree, **seconds: list[float]) -> None:
    """Write a benchmark in which versions had these times in rounds 0, 1, ...; `name__2` is with two threads."""
    lines = {}
    for key, values in seconds.items():
        name, _, threads = key.partition("__")
        lines[f"{name[-2:]}_{name[:-2]}", int(threads or 1)] = dict(enumerate(values))
    keep(tree, "2026-01-02", lines)


def test_a_version_alone_is_compared_with_the_one_that_it_declares(ladder: Tree, capsys):
    ladder.version("04_four", {"src/a.py": KERNEL, "src/gone.py": "here\n"}, previous="01_one", changes=["src/gone.py"])
    out = shown(capsys, ladder, "04")
    assert "04_four against 01_one" in out
    assert "the idea of 04_four" in out and "the idea of 02_two" not in out and "the idea of 03_three" not in out


def test_first_the_idea_then_the_files_then_the_lines(ladder: Tree, capsys):
    out = shown(capsys, ladder, "01", "02")
    expected = ["02_two against 01_one", "the idea of 02_two", "was not measured", "src/a.py", "pyproject.toml"]
    expected += ["== src/a.py", "== src/gone.py", "== tests/test_new.py", "== pyproject.toml", "== README.md"]
    places = [out.index(text) for text in expected]
    assert places == sorted(places)


def test_changed_lines_have_signs_and_numbers_and_far_ones_are_left_out(ladder: Tree, capsys):
    lines = shown(capsys, ladder, "01", "02").split("== src/a.py")[1].split("==")[0].rstrip().split("\n")
    assert lines[1:] == [
        "     ... 27 unchanged lines",
        "  28   shared = 27",
        "  29   shared = 28",
        "  30   shared = 29",
        "  31 - total = kernel[i] * x[i]",
        "  31 + total = weight[i] * x[i]",
    ]


def test_full_leaves_nothing_out(ladder: Tree, capsys):
    out = shown(capsys, ladder, "01", "02")
    assert "shared = 5\n" not in out and "test_99" not in out and "# 02_two" not in out
    out = shown(capsys, ladder, "01", "02", "--full")
    assert "shared = 5\n" in out and "test_99" in out and "+ # 02_two\n" in out and "--full" not in out


def test_tests_readmes_and_metadata_are_a_line_each(ladder: Tree, capsys):
    *_, lines, note = shown(capsys, ladder, "02").split("\n\n")
    assert lines.split("\n") == [
        "== tests/test_new.py  new  +100",
        "== pyproject.toml  +4 -2",
        "== README.md  +1 -1",
    ]
    assert note.endswith("A name after the versions shows one of them, --full all.\n")


def test_the_lines_that_hold_the_idea_come_first_and_once(ladder: Tree, capsys):
    ladder.write("01_one/src/a.py", f"{SHARED}\n\ndef total(x):\n    return 1\n\n\n{SHARED}old = 1\n")
    new = f"{SHARED}\n\n# A sum.\ndef total(x):\n    return 2\n\n\n{SHARED}new = 1\n"
    read = ["src/b.py: Two.three", "src/a.py: total"]
    files = {"src/a.py": new, "src/b.py": "class Two:\n    def three(self):\n        return 3\n"}
    ladder.version("02_two", files, previous="01_one", read=read)
    out = shown(capsys, ladder, "02")
    head, read_first, rest = re.split(r"Read these 5 lines: they hold the idea\n|\nThe rest\n", out)
    assert "02_two against 01_one" in head and "was not measured" in head and "src/" not in head
    assert read_first.strip("\n").split("\n") == [
        "== src/b.py: Two.three",
        "   2 +     def three(self):",
        "   3 +         return 3",
        "",
        "== src/a.py: total",
        "  33 + # A sum.",
        "  34   def total(x):",
        "  34 -     return 1",
        "  35 +     return 2",
    ]
    assert "return" not in rest and "   1 + class Two:\n     ... 2 lines shown above" in rest
    assert "     ... 32 unchanged lines\n     ... 3 lines shown above\n     ... 29 unchanged lines\n" in rest
    assert "- old = 1" in rest and "+ new = 1" in rest
    full = shown(capsys, ladder, "02", "--full")
    assert full.count("+     return 2") == 2 and full.count("shared = 29") == 2 and "shown above" not in full


def test_a_file_of_which_all_has_been_shown_is_a_line(ladder: Tree, capsys):
    ladder.version("04_four", {"src/b.py": "def two(): pass\n"}, previous="03_three", read=["src/b.py: two"])
    out = shown(capsys, ladder, "04")
    assert "\n== src/b.py  new  +1, shown above\n" in out and out.count("def two") == 1


def test_of_a_file_in_another_language_the_new_lines_are_read(ladder: Tree, capsys):
    files = {"src/a.c": "int two(void)\n{\n    return 2;\n}\n"}
    ladder.write("03_three/src/a.py", "first\nsecond\n")
    ladder.version("04_four", files, previous="03_three", read=["src/a.c: two"])
    read_first, rest = shown(capsys, ladder, "04").split("Read these 4 lines")[1].split("\nThe rest\n")
    assert "   4 + }" in read_first and " - " not in read_first
    assert "\n   1 - first\n   2 - second\n     ... 4 lines shown above\n" in rest


def test_only_a_version_and_its_predecessor_have_lines_to_read(ladder: Tree, capsys):
    for number, name in enumerate(("02_two", "03_three"), 2):
        ladder.version(name, {"src/a.py": f"a = {number}\n"}, previous=f"0{number - 1}_one", read=["src/a.py: a"])
    assert "Read these" in shown(capsys, ladder, "01", "02")
    assert all("Read these" not in shown(capsys, ladder, *pair) for pair in (("02", "01"), ("01", "03"), ("03", "01")))


def test_of_the_first_version_only_the_lines_to_read_are_shown(ladder: Tree, capsys):
    ladder.version("01_one", {"src/a.py": KERNEL}, read=["src/a.py: total"])
    out = shown(capsys, ladder, "01")
    assert out.startswith("01_one, the first version: the idea of 01_one\n") and "The rest" not in out
    assert "\n  31 + total = kernel[i] * x[i]\n" in out and "shared" not in out


def test_a_name_that_is_not_there_does_not_stop_who_is_editing(ladder: Tree, capsys):
    ladder.version("04_four", {"src/a.py": "a = 1\n"}, previous="03_three", read=["src/a.py: total"])
    assert main(["diff", "04"], ladder.root) == 0
    out, err = capsys.readouterr()
    assert "+ a = 1" in out and "Read these" not in out
    assert err == "ladder: 04_four: `read` names 'src/a.py: total', but the file does not define total\n"


@pytest.mark.parametrize("name", ["tests/test_new.py", "test_new.py", "versions/02_two/tests/test_new.py"])
@pytest.mark.parametrize("versions", [["01", "02"], ["02"]])
def test_a_file_is_shown_alone(ladder: Tree, versions: list[str], name: str, capsys):
    out = shown(capsys, ladder, *versions, name)
    assert out.startswith("\n== tests/test_new.py  new  +100\n") and "test_99" in out and out.count("==") == 1
    assert "src/a.py" not in out and "README.md" not in out


def test_of_a_file_that_is_shown_alone_far_lines_are_left_out_too(ladder: Tree, capsys):
    assert "... 27 unchanged lines" in shown(capsys, ladder, "02", "a.py")
    assert "shared = 5\n" in shown(capsys, ladder, "02", "a.py", "--full")
    assert "test_new" not in shown(capsys, ladder, "02", "a.py", "--stat")


def test_a_file_that_was_removed_or_rewritten_is_found_by_either_name(ladder: Tree, capsys):
    assert "- gone" in shown(capsys, ladder, "01", "02", "gone.py")
    ladder.version("04_four", {"src/a.c": "int a;\n"}, previous="03_three")
    assert shown(capsys, ladder, "04", "a.py") == shown(capsys, ladder, "04", "a.c")


def test_stat_shows_the_files_only(ladder: Tree, capsys):
    out = shown(capsys, ladder, "01", "02", "--stat")
    assert ["src/gone.py", "removed", "1", "-"] in [line.split() for line in out.splitlines()]
    assert "5 files (" in out and "of these 2 files (+1 -2) in src" in out and "kernel" not in out


def test_one_version_is_compared_with_its_predecessor(ladder: Tree, capsys):
    assert shown(capsys, ladder, "03") == shown(capsys, ladder, "02_two", "3")


def test_versions_that_are_no_neighbours_show_all_ideas_between(ladder: Tree, capsys):
    there, back = shown(capsys, ladder, "01", "03"), shown(capsys, ladder, "03", "01")
    for out in (there, back):
        head = out.split("was not measured")[0]
        assert "the idea of 02_two" in head and "the idea of 03_three" in head and "the idea of 01_one" not in head
    assert "01_one against 03_three" in back
    assert " 1 + int k;" not in back and " 2 - int k;" in back and " 2 + int k;" in there


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["09"], "there is no version '09'"),
        (["01"], "01_one is the first version"),
        (["02", "2"], "02_two has no difference from itself"),
        (["01", "02", "03"], "no file that differs between 01_one and 02_two is called 03; --stat lists"),
        (["01", "02", "a.py", "b.py"], "two versions and a file can be compared, not 4 names"),
        (["02", "o.py"], "no file that differs between 01_one and 02_two is called o.py"),
        (["02", "conftest.py"], "conftest.py could be tests/a/conftest.py, tests/b/conftest.py, which all differ"),
        (["02", "src/same.py"], "no file that differs between 01_one and 02_two is called src/same.py"),
        (["02", ""], "there is no version ''"),
        (["--html", "a.html"], "--html needs one or two versions"),
        (["02", "--stat", "--html", "a.html"], "is not for --stat"),
        (["--full"], "--full and --stat need one or two versions"),
        (["02", "--html", "no/such/folder/a.html"], "No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(ladder: Tree, arguments: list[str], sentence: str, capsys, monkeypatch):
    monkeypatch.chdir(ladder.root)
    for path in ("01_one/src/same", "02_two/src/same", "02_two/tests/a/conftest", "02_two/tests/b/conftest"):
        ladder.write(f"{path}.py", "1\n")
    assert main(["diff", *arguments], ladder.root) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


def test_the_gain_is_the_median_of_the_rounds_that_both_took_part_in(ladder: Tree, capsys):
    measure(ladder, one01=[2.0, 6.0, 4.0, 6.0, 3.0, 5.0, 100.0], two02=[1.0, 2.0, 2.0, 3.0, 1.0, 2.0], three03=[1.0])
    out = " ".join(shown(capsys, ladder, "01", "02").split())
    where = "64 x 64 pixels on this one, run 2026-01-02."
    assert f"02_two against 01_one is 2.25 times as fast (95 % interval 2.00 to 3.00); {where}" in out
    assert "2.25 times as fast" in " ".join(shown(capsys, ladder, "02", "01").split())


def test_the_gain_is_told_for_each_number_of_threads(ladder: Tree, capsys):
    measure(ladder, one01=[4.0] * 6, two02=[2.0] * 6, two02__2=[1.0] * 6, three03=[1.0] * 6, three03__2=[0.25] * 6)
    out = " ".join(shown(capsys, ladder, "02").split())
    assert "is 2.00 times as fast (95 % interval 2.00 to 2.00), 4.00 times as fast with 2 threads (95 %" in out
    out = " ".join(shown(capsys, ladder, "03").split())
    assert "is 2.00 times as fast (95 % interval 2.00 to 2.00), 4.00 times as fast with 2 threads (95 %" in out


def test_a_version_that_was_not_timed_is_a_sentence(ladder: Tree, capsys):
    measure(ladder, two02=[1.0] * 6)
    out = " ".join(shown(capsys, ladder, "02").split())
    assert "02_two is than 01_one was not measured: `nox -s bench -- --versions 01 02` measures it." in out


def test_the_ladder_is_a_table_of_sizes_and_gains(ladder: Tree, capsys):
    measure(ladder, one01=[2.0] * 6, two02=[1.0] * 6)
    out = shown(capsys, ladder)
    rows = [line.split() for line in out.splitlines()]
    assert ["01_one", "32", "-"] in rows  # 31 lines in a.py and one in gone.py
    assert ["02_two", "3", "+1", "+0", "+100", "31", "2.00"] in rows
    assert ["03_three", "3", "+0", "+2", "+0", "30", "1", "-"] in rows
    assert ["the", "idea", "of", "03_three", "-1", "-0", "-0"] in rows
    assert "02_two: 64 x 64 pixels on this one, run 2026-01-02.\n" in out


def test_a_gain_of_a_version_that_was_changed_is_stale(ladder: Tree, capsys):
    measure(ladder, one01=[2.0] * 6, two02=[1.0] * 6)
    ladder.write("02_two/src/a.py", "other = 1\n")
    assert "run 2026-01-02; stale: 02_two changed since." in " ".join(shown(capsys, ladder, "02").split())
    out = shown(capsys, ladder)
    assert any(line.split()[-1] == "2.00*" for line in out.splitlines() if line.strip().startswith("02_two"))


def test_words_stand_out_on_a_terminal_and_every_changed_line_has_its_ground():
    terminal = {"force_terminal": True, "color_system": "truecolor", "width": 60}
    console = Console(**terminal, record=True, highlight=False, file=io.StringIO())
    changes = compare({"a.py": b"x = kernel[0]\nsame\n"}, {"a.py": b"x = weight[0]\nsame\n"})
    diff_text.Difference(console, changes).show_files(full=False)
    colours = diff_text.Colours(light=False)
    html = console.export_html(inline_styles=True)
    for sign, word in (("-", "kernel"), ("+", "weight")):
        line, changed = colours.grounds[sign]
        assert re.search(rf"background-color: {changed}[^>]*>{word}<", html)
        assert re.search(rf"background-color: {line}[^>]*>\[<", html)
    assert not re.search(r"background-color: [^>]*>same<", html)


def printed(width: int, before: str, after: str) -> list[str]:
    """The lines of a change on a terminal of this width, below the heading; without colours."""
    console = Console(force_terminal=True, width=width, color_system=None, highlight=False, file=io.StringIO())
    [change] = compare({"a.py": before.encode()}, {"a.py": after.encode()})
    diff_text.show_file(console, change, full=False)
    return console.file.getvalue().split("\n")[2:-1]


def test_a_line_that_is_too_long_for_the_terminal_is_folded_between_words():
    old = "    total = kernel[i] * (first + second)\n"
    new = "    total = weight[i] * (first + second)  # \u6570\u5b57 end\n"
    assert [line.rstrip() for line in printed(34, old, new)] == [
        "   1 -     total = kernel[i] *",
        "   > -         (first + second)",
        "   1 +     total = weight[i] *",
        "   > +         (first + second)  #",
        "   > +         \u6570\u5b57 end",
    ]
    assert all(cell_len(line) == 34 for line in printed(34, old, new))


@pytest.mark.parametrize("width", [1, 30, 31, 40])
def test_a_folded_line_has_all_its_letters(width: int):
    line = " " * 40 + "x" * 100 + " = " + "\u6570" * 50
    shown = printed(width, "", line + "\n")
    assert "".join("".join(part[7:].split()) for part in shown) == "".join(line.split())
    assert len({cell_len(part) for part in shown}) <= 2 and max(map(cell_len, shown)) <= max(width, 30)


def test_where_there_is_no_terminal_no_line_is_folded(ladder: Tree, capsys):
    ladder.write("02_two/src/a.py", "long = " + "1 + " * 100 + "1\n")
    assert "long = " + "1 + " * 100 + "1\n" in shown(capsys, ladder, "02")


@pytest.mark.parametrize(("value", "light"), [("0;15", True), ("0;default;7", True), ("15;0", False), ("", False)])
def test_the_terminal_tells_its_background(value: str, light: bool):
    assert diff_text.is_light(value) is light


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Results are shown as if stdout were a terminal."""
    monkeypatch.setattr(terminal, "output", lambda: Console(highlight=False, force_terminal=True, width=100))


def test_on_a_terminal_a_pager_shows_it_all(ladder: Tree, on_a_terminal, tmp_path: Path, capfd, monkeypatch):
    pager = tmp_path / "my pager"
    pager.write_text(f'#!/bin/sh\necho "$LESS" > "{tmp_path}/less"\ncat > "{tmp_path}/$1"\n')
    pager.chmod(0o755)
    monkeypatch.delenv("LESS", raising=False)
    monkeypatch.setenv("PAGER", f"'{pager}' seen")
    assert main(["diff", "02"], ladder.root) == 0
    assert capfd.readouterr().out == ""
    seen = (tmp_path / "seen").read_text()
    assert "against" in seen and "\x1b[" in seen and "README.md" in seen
    assert (tmp_path / "less").read_text() == "FRX\n"


@pytest.mark.parametrize("pager", ["cat", "", "no_such_pager --option", "head -c 1", "'"])
def test_without_a_pager_or_with_one_that_ends_early_nothing_breaks(
    ladder: Tree, on_a_terminal, pager: str, capfd, monkeypatch
):
    monkeypatch.setenv("PAGER", pager)
    assert main(["diff", "02", "--full"], ladder.root) == 0
    out, err = capfd.readouterr()
    assert err == "" and (pager == "head -c 1" or "test_99" in out)


def test_a_pager_can_be_done_without(ladder: Tree, on_a_terminal, capfd, monkeypatch):
    monkeypatch.setenv("PAGER", "false")
    assert main(["diff", "02", "--no-pager"], ladder.root) == 0
    assert "README.md" in capfd.readouterr().out


def test_ctrl_c_is_left_to_the_pager(ladder: Tree, on_a_terminal, tmp_path: Path, monkeypatch):
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\nkill -INT $PPID; cat > "{tmp_path}/seen"\n')
    pager.chmod(0o755)
    monkeypatch.setenv("PAGER", str(pager))
    assert main(["diff", "02", "--full"], ladder.root) == 0
    assert "README.md" in (tmp_path / "seen").read_text()
