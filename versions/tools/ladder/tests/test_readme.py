"""The main README's measured parts: written between their markers, from the results that there are."""

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ladder.__main__ import main
from ladder.core.versions import ROOT, discover
from ladder.timing import bench, bench_readme, chart, conditions, history, readmes

from .conftest import Tree, write
from .test_chart import line, results, texts
from .test_neighbours import counted

SUMMARY, BENCH = ([f"<!-- {name}: {place} -->" for place in ("begin", "end")] for name in ("summary", "bench"))
TEXT = f"# A ladder\n\n{SUMMARY[0]}\nold\n{SUMMARY[1]}\n\nbefore\n\n{BENCH[0]}\nold\n{BENCH[1]}\n\nafter\n"
VERSION = f"# A version\n\nbefore\n\n{BENCH[0]}\nold\n{BENCH[1]}\n\nafter\n"


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a text in Markdown: rows of cells."""
    found: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and token.level >= 4:  # in a cell
            found[-1][-1].append(token.content.replace("&nbsp;", " "))
    return found


def measured(tree: Tree) -> dict[int, dict]:
    """Results of both sizes, the larger one with peers; the versions that were timed, and READMEs with markers."""
    write(tree.root / "README.md", TEXT)
    for name in ("01_one", "02_two", "03_three", "04_four"):
        tree.version(name, {"README.md": VERSION, "src/a.py": ""})
    small = results(
        64,
        [
            line("01_one", 12.6),
            line("02_two", 0.1, previous="01_one", faster=126.0),
            line("03_three", 0.2, previous="02_two", faster=0.5),
        ],
    )
    large = results(
        224,
        [
            line("02_two", 0.4),
            line("03_three", 3.0, previous="02_two", faster=0.133),
            line("04_four", 0.05, previous="03_three", faster=60.0),
            line("04_four", 0.0251, threads=2, previous="03_three", faster=119.4, spread=0.2),
        ],
        [line("ncnn", 0.04, previous="04_four", faster=1.25, idea="ncnn 1: told so")],
    )
    digests = {version.name: conditions.sources(version) for version in discover(tree.root)}
    for one in small["versions"] + large["versions"]:
        one["sources"] = digests[one["name"]]
    return {64: small, 224: large}


def test_the_tables_say_what_was_measured_at_both_sizes(tree: Tree):
    readmes.write(tree.root, measured(tree))
    text = (tree.root / "README.md").read_text()
    assert "| 12.6&nbsp;s |" in text  # a narrow column does not break the line there
    versions, peers = tables(text)
    assert versions[0] == ["version", "the idea", "64 x 64", "224 x 224", "against the one before", "of peak"]
    cells = {row[0]: row[1:] for row in versions[1:]}
    names = ("01_one", "02_two", "03_three", "04_four")
    one, two, three, four = (cells[f"[`{name}`](versions/{name})"] for name in names)
    assert one == ["the idea of 01_one", "12.6 s", "", "", "30 %"]
    assert two == ["the idea of 02_two", "100 ms", "400 ms", "126 (125 to 127) at 64 x 64", "30 %"]
    assert three == ["the idea of 03_three", "200 ms", "3000 ms", "0.133 (0.132 to 0.134)", "30 %"]
    assert four == ["the idea of 04_four", "", "50.0 ms", "60.0 (59.4 to 60.6)", "30 %"]
    # Two digits, since it was noisy.
    assert cells["[`04_four`](versions/04_four), 2 threads"] == ["", "", "25 ms", "120 (120 to 120)", "30 %"]
    assert peers[0] == ["peer", "how it is run", "64 x 64", "224 x 224", "against `04_four`", "of peak"]
    assert peers[1:] == [["ncnn", "ncnn 1: told so", "", "40.0 ms", "1.25 (1.24 to 1.26)", "30 %"]]
    assert "with AVX2 (3 processors), 2026-01-02; `nox -s bench -- --size 64` and `nox -s bench -- --peers`" in text
    assert "really done" not in text


def test_operations_that_are_really_done_stand_in_brackets(tree: Tree):
    found = measured(tree)
    found[224]["versions"][-1] |= {"share_of_peak": 1.2, "done": 0.5}
    readmes.write(tree.root, found)
    text = (tree.root / "README.md").read_text()
    assert [row[-1] for row in tables(text)[0][1:]] == ["30 %", "30 %", "30 %", "30 %", "120 % (60 %)"]
    assert "so that it may pass 100 % (in brackets, the operations that are really done)" in text


def test_only_what_is_between_the_markers_changes(tree: Tree):
    found = measured(tree)
    for _ in range(2):  # to write again changes nothing
        readmes.write(tree.root, found)
        text = (tree.root / "README.md").read_text()
        for name, content in bench_readme.sections(found, ()).items():
            text = text.replace(f"<!-- {name}: begin -->\n\n{content}\n\n", f"<!-- {name}: begin -->\nold\n")
        assert text == TEXT
    assert (tree.root / "versions" / "bench.svg").read_bytes().startswith(b"<?xml")


def test_the_first_sentences_go_from_the_first_version_to_the_last_and_to_the_fastest_peer(tree: Tree):
    found = measured(tree)
    found[64]["versions"].append(line("04_four", 0.005))
    found[64]["versions"].append(line("04_four", 0.003, threads=2))
    found[224]["peers"] += [line("ONNX Runtime", 0.08, 0.625), line("ncnn", 0.02, 2.0, threads=2)]
    found[224]["peers"].append(line("of bytes", 0.01, 5.0, int8=True))
    text, chart, *_ = bench_readme.summary(found, ()).split("\n\n")
    assert (
        "For a picture of 64 x 64 pixels, `01_one` takes 12.6 s and `04_four` 5.00 ms: **2500 times as fast**. "
        "At 224 x 224 it is **0.800 times as fast as ncnn**, the fastest of the libraries tried, and 1.60 times as "
        "fast as ONNX Runtime (one thread each, on a slide rule)."
    ) in text
    assert chart.endswith("](versions/bench.svg)")
    found[224]["peers"] = []
    assert "**2500 times as fast** (one thread" in bench_readme.summary(found, ())


def test_what_was_measured_is_kept_and_can_be_written_again(tree: Tree):
    found = measured(tree)
    readmes.write(tree.root, found)
    assert history.published(tree.root) == [found[64], found[224]]
    written = (tree.root / "README.md").read_text()
    write(tree.root / "README.md", TEXT)
    assert main(["bench", "--renew"], tree.root) == 0
    assert (tree.root / "README.md").read_text() == written


def test_without_results_there_is_nothing_to_write_again(tree: Tree, capsys):
    write(tree.root / "README.md", TEXT)
    assert main(["bench", "--renew"], tree.root) == 2
    assert main(["bench", "--renew", "--peers"], tree.root) == 2
    none, other = capsys.readouterr().err.splitlines()
    assert "versions/bench.json has no results: `nox -s bench -- --peers --write` makes it" in none
    assert "--renew times nothing: no other option goes with it" in other


def test_bench_measures_both_sizes_and_writes_them(machine, tree: Tree, capsys):
    write(tree.root / "README.md", TEXT)
    machine("01_one", 4.0, slow=True)
    machine("03_three", 2.0, previous="01_one")
    machine("04_four", 0.5, previous="03_three")
    for name in ("01_one", "03_three", "04_four"):
        tree.write(f"{name}/README.md", VERSION)
    assert main(["bench", "--write", "--rounds", "12"], tree.root) == 0
    assert "written: 4 READMEs and versions/bench.svg, from versions/bench.json\n" in capsys.readouterr().err
    [versions] = tables((tree.root / "README.md").read_text())
    assert versions[1][1:] == ["the idea of 01_one", "4000 ms", "", "", "0.017 %"]
    assert versions[3][1:] == ["the idea of 04_four", "500 ms", "500 ms", "4.00 (4.00 to 4.00)", "1.6 %"]


@pytest.mark.parametrize("more", [["--versions", "03"], ["--size", "64"], ["--json"], ["--neighbours", "1"]])
def test_what_cannot_be_written_is_refused_before_anything_is_measured(more: list[str], tree: Tree, capsys):
    write(tree.root / "README.md", TEXT)
    assert main(["bench", "--write", *more], tree.root) == 2
    assert "--write measures all versions at both sizes" in capsys.readouterr().err


def test_readmes_without_markers_are_refused_before_anything_is_measured(tree: Tree, capsys):
    write(tree.root / "README.md", "# no markers\n")
    tree.version("03_three")
    assert main(["bench", "--write"], tree.root) == 2
    assert "has no lines <!-- summary: begin --> and <!-- summary: end -->" in capsys.readouterr().err
    write(tree.root / "README.md", TEXT)
    assert main(["bench", "--write"], tree.root) == 2
    assert "03_three/README.md has no lines <!-- bench: begin --> and <!-- bench: end -->" in capsys.readouterr().err


def test_a_run_that_was_interrupted_or_disturbed_is_not_written(machine, steady, tree: Tree, capsys, monkeypatch):
    write(tree.root / "README.md", TEXT)
    machine("03_three", 2.0)
    tree.write("03_three/README.md", VERSION)
    steady.interrupted_at = 20
    assert main(["bench", "--write", "--rounds", "12"], tree.root) == 130  # at the second size
    assert "the READMEs stay as they are" in capsys.readouterr().err
    counters = counted([0.1] * 40)
    monkeypatch.setattr(bench.neighbours, "count", lambda pids: counters[steady.rounds() - 20])
    steady.interrupted_at = None
    assert main(["bench", "--write", "--rounds", "12"], tree.root) == 1
    assert "the READMEs stay as they are" in capsys.readouterr().err
    assert (tree.root / "README.md").read_text() == TEXT and tree.read("03_three/README.md") == VERSION
    assert not (tree.root / "versions" / "bench.svg").exists()


def test_a_version_that_has_changed_is_marked_until_it_is_changed_back(tree: Tree):
    readmes.write(tree.root, measured(tree))
    current = (tree.root / "README.md").read_text()
    assert "\\*" not in current and "changed" not in current
    tree.write("04_four/src/a.py", "a = 1\n")
    readmes.renew(tree.root)
    text = (tree.root / "README.md").read_text()
    marked = [row[0] for row in tables(text)[0] if "\\*" in row[0]]
    assert marked == [f"[`04_four`](versions/04_four)\\*{threads}" for threads in ("", ", 2 threads")]
    assert "for your machine. A version with an asterisk has changed since.\n" in text
    tree.write("04_four/src/a.py", "")
    readmes.renew(tree.root)
    assert (tree.root / "README.md").read_text() == current


def test_the_first_sentence_says_so_if_one_of_its_versions_has_changed(tree: Tree):
    found = measured(tree)
    assert "on a slide rule; `01_one` has changed since)." in bench_readme.summary(found, ["01_one", "02_two"])
    assert "on a slide rule)." in bench_readme.summary(found, ["02_two"])
    last = [line["name"] for line in found[64]["versions"]][-1]
    both = bench_readme.summary(found, ["01_one", last])
    assert f"on a slide rule; `01_one` and `{last}` have changed since)." in both


def test_this_repositorys_readmes_and_chart_are_of_the_committed_results(tmp_path: Path):
    readmes.check(ROOT)
    found = readmes.published(ROOT)
    assert list(found) == [64, 224]
    renewed = readmes.renewed(ROOT, found)
    old = [str(path.relative_to(ROOT)) for path, text in renewed.items() if path.read_text(encoding="utf-8") != text]
    assert not old, "`nox -s bench -- --renew` writes them"
    chart.draw(chart.of_ladder(found[64], found[224]), tmp_path / "chart.svg")
    assert texts(ROOT / bench_readme.CHART) == texts(tmp_path / "chart.svg")


def test_the_sentence_the_chart_and_the_commands_come_before_any_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = text.partition("\n|")[0]
    places = ["summary: begin", "](versions/bench.svg)", "$ nox -s classify", "pipx run nox", "New to all this"]
    found = [first.index(place) for place in places]
    assert found == sorted(found)
    transcript = first.partition("$ nox")[2].partition("```")[0]
    assert transcript.count("\n") <= 10


def test_this_repositorys_table_parses_and_names_versions_that_there_are():
    before, begin, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition(BENCH[0])
    between, end, _ = rest.partition(BENCH[1])
    assert begin and end and "## The ladder" in before
    versions = tables(between)[0]
    assert versions[0] == ["version", "the idea", "64 x 64", "224 x 224", "against the one before", "of peak"]
    assert len(versions) > 6 and all(len(row) == 6 for row in versions)
    for row in versions[1:]:
        assert (ROOT / row[0].partition("](")[2].partition(")")[0] / "pyproject.toml").exists()
