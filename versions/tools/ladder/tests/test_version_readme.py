"""The table of a version's README: its times beside its predecessor's."""

from ladder.timing import readmes
from ladder.timing.version_readme import section

from .conftest import Tree
from .test_chart import line, results
from .test_readme import BENCH, VERSION, measured, tables

HEADS = ["one inference", "64 x 64", "224 x 224"]


def rows(tree: Tree, name: str) -> list[list[str]]:
    """The table in a version's README, without its head."""
    [[head, *found]] = tables(tree.read(f"{name}/README.md"))
    assert head == HEADS
    return found


def test_a_version_stands_beside_its_predecessor_at_both_sizes(tree: Tree):
    readmes.write(tree.root, measured(tree))
    assert rows(tree, "03_three") == [
        ["02", "100 ms", "400 ms"],
        ["03", "200 ms", "3000 ms"],
        ["times as fast as 02", "0.500 (0.495 to 0.505)", "0.133 (0.132 to 0.134)"],
    ]
    text = tree.read("03_three/README.md")
    assert "a slide rule with AVX2 (3 processors), 2026-01-02; `nox -s bench -- --versions 02 03 --size 64`" in text
    assert text.count("a slide rule") == 1


def test_the_first_version_has_only_its_own_times(tree: Tree):
    readmes.write(tree.root, measured(tree))
    assert rows(tree, "01_one") == [["01", "12.6 s", ""]]
    assert "`nox -s bench -- --versions 01 --size 64` prints it" in tree.read("01_one/README.md")


def test_a_size_at_which_the_predecessor_was_not_timed_has_no_ratio_and_no_command(tree: Tree):
    readmes.write(tree.root, measured(tree))
    assert rows(tree, "02_two") == [
        ["01", "12.6 s", ""],
        ["02", "100 ms", "400 ms"],
        ["times as fast as 01", "126 (125 to 127)", ""],
    ]
    assert "`nox -s bench -- --versions 01 02 --size 64` prints it" in tree.read("02_two/README.md")


def test_several_threads_are_compared_with_as_many_or_with_one(tree: Tree):
    readmes.write(tree.root, measured(tree))
    assert rows(tree, "04_four") == [
        ["03", "200 ms", "3000 ms"],
        ["04, 1 thread", "", "50.0 ms"],
        ["times as fast as 03", "", "60.0 (59.4 to 60.6)"],
        ["04, 2 threads", "", "25 ms"],  # two digits, since it was noisy
        ["times as fast as 03", "", "120 (120 to 120)"],
    ]
    both = [line(f"0{n}_v", 1.0 / n / t, 2.0, previous="04_v", threads=t) for n in (4, 5) for t in (1, 2)]
    heads = [row[0] for row in tables(section({224: results(224, both)}, "05_v", ()))[0][1:]]
    assert heads == [
        *("04, 1 thread", "05, 1 thread", "times as fast as 04"),
        *("04, 2 threads", "05, 2 threads", "times as fast as 04"),
    ]


def test_without_a_ratio_there_is_no_row_of_them(tree: Tree):
    found = measured(tree)
    for results_of in found.values():
        for one in results_of["versions"]:
            one["faster"] = None  # the run had too few rounds
    readmes.write(tree.root, found)
    assert [row[0] for row in rows(tree, "03_three")] == ["02", "03"]
    assert "timed both, at least 6, with their 95 % intervals." in tree.read("03_three/README.md")


def test_a_version_and_a_predecessor_that_have_changed_are_marked(tree: Tree):
    readmes.write(tree.root, measured(tree))
    tree.write("03_three/src/a.py", "a = 1\n")
    readmes.renew(tree.root)
    heads = {name: [row[0] for row in rows(tree, name)] for name in ("02_two", "03_three", "04_four")}
    assert heads["02_two"][:2] == ["01", "02"]
    assert heads["03_three"][:2] == ["02", r"03\*"] and heads["04_four"][:2] == [r"03\*", "04, 1 thread"]
    said = [name for name in heads if "with an asterisk has changed since." in tree.read(f"{name}/README.md")]
    assert said == ["03_three", "04_four"]


def test_a_version_that_was_not_timed_keeps_what_is_between_its_markers(tree: Tree, capsys):
    found = measured(tree)
    tree.version("05_five", {"README.md": VERSION})
    readmes.write(tree.root, found)
    assert tree.read("05_five/README.md") == VERSION
    assert "05_five is not among the results: its README.md stays as it is\n" in capsys.readouterr().err


def test_only_what_is_between_the_markers_changes(tree: Tree):
    readmes.write(tree.root, measured(tree))
    text = tree.read("03_three/README.md")
    before, after = text.partition(BENCH[0])[0], text.partition(BENCH[1])[2]
    assert f"{before}{BENCH[0]}\nold\n{BENCH[1]}{after}" == VERSION
    readmes.renew(tree.root)
    assert tree.read("03_three/README.md") == text
