"""Discovery of versions and what they declare."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from ladder.core import processor
from ladder.core.errors import LadderError
from ladder.core.selection import one_or_newest, select
from ladder.core.versions import discover, find, obstacle, read

from .conftest import Tree


def test_versions_come_in_the_order_of_their_numbers(tree: Tree):
    for name in ("02_two", "10_ten", "01_one"):
        tree.version(name)
    (tree.root / "versions" / "tools").mkdir()
    assert [version.name for version in discover(tree.root)] == ["01_one", "02_two", "10_ten"]


def test_everything_declared_is_read(tree: Tree):
    lists = {"requires": ["avx2"], "changes": ["a.c"], "read": ["a.c: f"]}
    tree.version("02_two", previous="01_one", slow=True, tolerance=1e-4, **lists)
    [version] = discover(tree.root)
    assert (version.previous, version.requires, version.slow) == ("01_one", ("avx2",), True)
    assert version.read == ("a.c: f",)
    assert (version.changes, version.tolerance, version.idea) == (frozenset({"a.c"}), 1e-4, "the idea of 02_two")


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ("project('resnet50', 'c', meson_version: '>=1.4')", True),
        ("project('resnet50',\n  ['cython', 'c'], meson_version: '>=1.4')", True),
        ("project('resnet50', meson_version: '>=1.4')", False),
        ("project('resnet50', 'cpp')", False),
        ("project('resnet50', license: 'c')", False),
        ("project('c')", False),
    ],
)
def test_whether_a_version_has_c_is_seen_in_its_meson_build(project: str, expected: bool, tree: Tree):
    assert read(tree.version("01_one", {"meson.build": project})).has_c() == expected


def test_without_a_meson_build_there_is_no_c(tree: Tree):
    assert not read(tree.version("01_one")).has_c()


def test_the_promise_of_the_design_is_the_default(tree: Tree):
    version = read(tree.version("01_one"))
    assert (version.tolerance, version.slow, version.previous) == (2e-5, False, None)


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ({"change": []}, "no key 'change'"),
        ({"idea": ""}, "idea"),
        ({"idea": 3}, "idea must be of type str"),
        ({"requires": "avx2"}, "requires must be of type list"),
        ({"requires": [1]}, "only strings"),
        ({"read": "a.c"}, "read must be of type list"),
        ({"requires_any": ["avx2"]}, "only lists of strings"),
        ({"requires_any": [["avx2"], []]}, "only lists of strings"),
        ({"slow": 1}, "slow must be of type bool"),
        ({"tolerance": 1}, "tolerance must be of type float"),
        ({"tolerance": -1e-5}, "above zero"),
        ({"changes": ["README.md"]}, "README.md"),
        ({"changes": ["/etc/passwd"]}, "not a path inside"),
        ({"changes": ["../01_one/a.c"]}, "not a path inside"),
        ({"changes": ["src\\a.c"]}, "not a path inside"),
        ({"changes": ["./a.c"]}, "not a path inside"),
    ],
)
def test_a_wrong_declaration_is_refused_with_file_and_reason(tree: Tree, declared: dict[str, Any], complaint: str):
    tree.version("01_one", **declared)
    with pytest.raises(LadderError, match=r"01_one.pyproject\.toml") as error:
        discover(tree.root)
    assert complaint in str(error.value)


@pytest.mark.parametrize("content", ["", "[tool.ladder", '[tool.ladder]\nidea = "a"', "\x00", '[project]\nname = "a"'])
def test_a_broken_pyproject_is_refused(tree: Tree, content: str):
    folder = tree.version("01_one")
    (folder / "pyproject.toml").write_text(content)
    with pytest.raises(LadderError, match=r"01_one.pyproject\.toml"):
        discover(tree.root)


def test_folders_without_a_version_are_refused(tree: Tree):
    with pytest.raises(LadderError, match="holds no version"):
        discover(tree.root)
    tree.version("01_Bad")
    with pytest.raises(LadderError, match="lower-case letters"):
        discover(tree.root)


def test_a_version_is_found_by_name_and_by_number(tree: Tree):
    tree.version("01_one")
    tree.version("02_two")
    versions = discover(tree.root)
    assert [find(versions, name).name for name in ("02_two", "02", "2")] == ["02_two"] * 3
    with pytest.raises(LadderError, match="no version '03'; there are 01_one, 02_two"):
        find(versions, "03")


def test_a_version_that_cannot_run_here_gives_a_sentence(tree: Tree):
    version = read(tree.version("04_four", requires=["x86_64", "avx2", "fma"]))
    assert obstacle(version, frozenset({"x86_64", "avx2", "fma"})) is None
    sentence = obstacle(version, frozenset({"x86_64", "avx2"}))
    assert sentence == "04_four is skipped: this processor lacks fma"


@pytest.mark.parametrize(
    ("features", "lacking"),
    [
        ({"x86_64", "avx2", "fma"}, None),
        ({"aarch64", "neon"}, None),
        ({"x86_64", "avx2"}, "fma"),
        ({"riscv64"}, "x86_64, avx2, fma or aarch64, neon"),
    ],
)
def test_a_version_needs_only_one_of_its_lists_of_features(features: set[str], lacking: str | None, tree: Tree):
    version = read(tree.version("04_four", requires_any=[["x86_64", "avx2", "fma"], ["aarch64", "neon"]]))
    expected = lacking and f"04_four is skipped: this processor lacks {lacking}"
    assert obstacle(version, frozenset(features)) == expected


def test_a_version_for_int8_is_chosen_only_by_those_who_ask(tree: Tree):
    tree.version("01_one")
    tree.version("02_two", previous="01_one", int8=True)
    assert [version.name for version in select(tree.root)] == ["01_one"]
    assert [version.name for version in select(tree.root, int8=True)] == ["01_one", "02_two"]
    assert [version.name for version in select(tree.root, ["02"])] == ["02_two"]
    assert one_or_newest(tree.root, None).name == "01_one"
    assert one_or_newest(tree.root, "02").name == "02_two"


def test_the_instruction_sets_of_x86_and_arm_are_read():
    assert processor.linux_flags("model\t: 1\nflags\t\t: fpu avx2 fma\nflags\t\t: fpu\n") == {"fpu", "avx2", "fma"}
    assert processor.linux_flags("processor : 0\nFeatures\t: fp asimd\n") == {"fp", "asimd"}
    assert processor.linux_flags("nothing of the kind\n") == frozenset()


def test_the_processors_name_is_read_from_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert processor.name()  # another system's: whatever Python knows of it
    processor.CPUINFO.write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\n")
    assert processor.name() == "A Processor @ 2 GHz"
    processor.CPUINFO.write_text("processor\t: 0\nFeatures\t: asimd\n")  # ARM has no name there
    assert processor.name()


def test_other_systems_are_asked_through_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path):
    module = SimpleNamespace(get_cpu_info=lambda: {"flags": ["avx2"]})
    monkeypatch.setitem(sys.modules, "cpuinfo", module)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    assert processor.features.__wrapped__() == {"avx2", "x86_64"}
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert processor.features.__wrapped__() == {"avx2", "aarch64", "neon"}  # of every one, whatever py-cpuinfo says
