"""A new version: a copy of another that lineage accepts."""

import tomllib

import pytest

from ladder.__main__ import main
from ladder.core.versions import discover

from .conftest import Tree


@pytest.fixture
def ladder(tree: Tree) -> Tree:
    """Two versions; no git is asked."""
    tree.version("01_one", {"src/a.py": "a\n"})
    lists = {"requires": ["avx2"], "changes": ["src/a.py"], "read": ["src/a.py"]}
    tree.version("02_two", {"src/a.py": "A\n"}, previous="01_one", **lists)
    tree.write("02_two/src/__pycache__/a.pyc", "rubbish")
    return tree


@pytest.mark.parametrize("name", ["fast_path", "03_fast_path"])
def test_lineage_accepts_a_new_version(ladder: Tree, name: str, capsys):
    assert main(["new", name, "--idea", 'registers "only"'], ladder.root) == 0
    assert main(["lineage"], ladder.root) == 0
    version = discover(ladder.root)[-1]
    assert (version.name, version.previous, version.idea) == ("03_fast_path", "02_two", 'registers "only"')
    assert (version.distribution, version.changes) == ("resnet50-03-fast-path", frozenset())
    assert version.read == () and "read = [] # the 30 to 100 lines" in ladder.read("03_fast_path/pyproject.toml")
    assert version.requires == ("avx2",)  # as its predecessor, until its idea needs more
    assert ladder.read("03_fast_path/src/a.py") == "A\n"
    assert not (version.folder / "src" / "__pycache__").exists()


def test_another_version_than_the_last_can_be_copied(ladder: Tree, capsys):
    assert main(["new", "fast_path", "--idea", "x", "--from", "1"], ladder.root) == 0
    assert main(["lineage"], ladder.root) == 0
    version = discover(ladder.root)[-1]
    assert (version.name, version.previous, ladder.read("03_fast_path/src/a.py")) == ("03_fast_path", "01_one", "a\n")
    assert "nox -s bench -- --versions 01 03" in ladder.read("03_fast_path/README.md")


def test_a_version_to_copy_that_is_not_there_is_refused(ladder: Tree, capsys):
    assert main(["new", "fast", "--idea", "x", "--from", "07"], ladder.root) == 2
    assert "there is no version '07'" in capsys.readouterr().err and len(discover(ladder.root)) == 2


def test_the_readme_has_the_frame_and_waits_for_its_text(ladder: Tree):
    main(["new", "fast_path", "--idea", "registers only"], ladder.root)
    readme = ladder.read("03_fast_path/README.md")
    assert readme.startswith("# 03: fast path\n\n**The idea:** registers only.\n")
    for command in ('nox -s "test(03_fast_path)"', "nox -s bench -- --versions 02 03", "nox -s diff -- 02 03"):
        assert f"\n{command}\n" in readme
    assert "\n## Measured\n\n<!-- bench: begin -->\n<!-- bench: end -->\n" in readme
    headings = [line[3:] for line in readme.splitlines() if line.startswith("## ")]
    assert headings == [
        "Measured",
        "Why it is faster",
        "Where to look",
        "Try it",
        "What did not help",
        "What holds it back",
        "Exercises",
        "Read on",
    ]


def test_comments_and_layout_of_the_pyproject_stay(ladder: Tree):
    ladder.write("02_two/pyproject.toml", ladder.read("02_two/pyproject.toml") + "# a remark\n\n[tool.other]\nx = 1\n")
    main(["new", "fast", "--idea", "registers only"], ladder.root)
    text = ladder.read("03_fast/pyproject.toml")
    assert "# a remark" in text and tomllib.loads(text)["tool"]["other"] == {"x": 1}
    assert tomllib.loads(text)["project"]["description"] == "ResNet-50 by hand: registers only"


@pytest.mark.parametrize("name", ["Fast", "05_fast", "02_fast", "", "fast-path", "../fast", "fast_", "3fast"])
def test_a_wrong_name_is_refused(ladder: Tree, name: str, capsys):
    assert main(["new", name, "--idea", "x"], ladder.root) == 2
    assert "can't be the next version's name" in capsys.readouterr().err
    assert len(discover(ladder.root)) == 2


def test_an_idea_is_needed(ladder: Tree, capsys):
    assert main(["new", "fast", "--idea", " "], ladder.root) == 2
    with pytest.raises(SystemExit) as end:
        main(["new", "fast"], ladder.root)
    assert end.value.code == 2 and len(discover(ladder.root)) == 2
