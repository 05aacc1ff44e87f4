"""Built files that lack something are found, and so is what fails with old libraries or without a network."""

from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core.versions import Version, read
from ladder.shipping import distribution, supply
from ladder.shipping.distribution import Distribution

from .conftest import Tree, needs_git, write

PYPROJECT = """
[build-system]
build-backend = "mesonpy"
requires = ["meson-python>=0.19"]

[project]
name = "resnet50-01-one"
version = "1"
dependencies = ["packaging>=24.0"]
license = "MIT"
license-files = ["LICENSE"]

[dependency-groups]
test = ["pytest>=8"]

[tool.ladder]
idea = "to be handed on"
"""
MESON = """
project('resnet50', meson_version: '>=1.4')
import('python').find_installation().install_sources('src/resnet50/__init__.py', subdir: 'resnet50')
"""
TESTS = """
import resnet50

def test_there_is_no_device_but_the_loopback():
    assert [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line] == ["lo"]
"""


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A small version without C whose tests pass only where there is no network."""
    needs_git()
    tree = Tree(tmp_path_factory.mktemp("repository"))
    folder = tree.root / "versions" / "01_one"
    write(folder / "pyproject.toml", PYPROJECT)
    write(folder / "meson.build", MESON)
    write(folder / "LICENSE", "as you like\n")
    write(folder / "src" / "resnet50" / "__init__.py", '"""A package."""\n')
    write(folder / "tests" / "contract" / "test_cli.py", TESTS)
    return read(folder)


@pytest.fixture(scope="module")
def built(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Its files; nothing of it was ever committed."""
    return distribution.build(version, tmp_path_factory.mktemp("scratch"))


def complaints(version: Version, built: Distribution, name: str, content: str) -> list[str]:
    """What is wrong if the folder, after it was built, has this file."""
    file = version.folder / name
    before = file.read_text() if file.exists() else None
    write(file, content)
    try:
        return distribution.complaints(version, built, built.source)
    finally:
        file.unlink() if before is None else write(file, before)


def test_the_built_files_hold_what_the_folder_holds(version: Version, built: Distribution):
    assert distribution.complaints(version, built, built.source) == []
    assert (built.source / "tests" / "contract" / "test_cli.py").read_text() == TESTS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", ["the sdist's notes.txt is not the folder's"]),
        ("LICENSE", ["the sdist's LICENSE is not the folder's", "the wheel lacks the folder's LICENSE"]),
        (
            "src/resnet50/more.py",
            [
                "the sdist's src/resnet50/more.py is not the folder's",
                "the wheel's resnet50/more.py is not the folder's",
            ],
        ),
    ],
)
def test_what_the_built_files_lack_is_found(version: Version, built: Distribution, name: str, words: list[str]):
    assert complaints(version, built, name, "something else\n") == words


def test_a_place_on_this_machine_is_found(version: Version, built: Distribution):
    found = distribution.complaints(version, built, Path("A package"))
    assert found == [
        "the sdist's src/resnet50/__init__.py names A package",
        "the wheel's resnet50/__init__.py names A package",
    ]


def test_lowest_and_newest_are_installed_and_only_the_latter_is_without_a_network(version: Version, capfd, monkeypatch):
    """With the network, the version's own test fails: its output is shown, and the exit code is 1."""
    if reason := supply.isolation()[1]:
        pytest.skip(reason)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["supply"], version.folder.parents[1]) == 1
    done = capfd.readouterr()
    lowest, newest = (line for line in done.out.splitlines() if "01_one" in line)
    assert "lowest: meson 1.4.0, meson-python 0.19.0, packaging 24.0, pytest 8.0.0" in lowest and "1 failed" in lowest
    assert "newest: packaging " in newest and "packaging 24.0" not in newest and "1 passed" in newest
    assert "01_one, sdist:" in done.err and "['lo']" in done.err and "01_one, wheel:" not in done.err


def test_what_cannot_be_built_or_installed_is_a_row_and_shows_why(version: Version, capfd, monkeypatch):
    root = version.folder.parents[1]
    monkeypatch.setattr(supply, "isolation", lambda: ([], "the system does not allow it"))
    meson = version.folder / "meson.build"
    write(meson, "project(")
    try:
        assert main(["supply", "--versions", "01"], root) == 1
    finally:
        write(meson, MESON)
    done = capfd.readouterr()
    assert "not built" in done.out and "the tests run with network access: the system does not allow it" in done.err
    assert "ERROR" in done.err and "Traceback" not in done.err
    toml = version.folder / "pyproject.toml"
    write(toml, PYPROJECT.replace("packaging>=24.0", "packaging>=24.0,<23"))
    try:
        assert main(["supply"], root) == 1
    finally:
        write(toml, PYPROJECT)
    assert capfd.readouterr().out.count("not installed") == 2


def test_supply_says_why_it_needs_git(version: Version, capfd, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(supply, "isolation", lambda: ([], ""))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["supply"], version.folder.parents[1]) == 2
    sentence = "supply needs git, because meson packs only committed files into an sdist: git was not found\n"
    assert capfd.readouterr().err.endswith(f"ladder: {sentence}")
