"""noxfile.py in a small repository: what is selected, where paths are looked for, and where nothing can be made."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import write

ROOT = Path(__file__).parents[4]
# Stands in for the tool: it says where it is and what it is given. Each part has a test with a name of its own.
TOOL = """
import json, os, sys
print("called in", json.dumps(os.getcwd()), "with", *sys.argv[1:], flush=True)
if sys.argv[1] == "test":
    part, words = sys.argv[2], sys.argv[3:]
    if "fails" in words:
        sys.exit(1 if part == "ladder" else 5)
    if "stops" in words:
        sys.exit(130)
    own = {"01_one": "one", "ladder": "alpha", "shared_weights": "beta"}
    sys.exit(0 if words in ([], ["--every"], ["tests/test_one.py"]) or own.get(part) in words else 5)
"""
PROJECT = """
[dependency-groups]
tools = ["pytest"]
fuzzing = ["pytest"]
mnist = ["pytest"]
[tool.ladder.parts]
ladder = {}
shared_weights = {}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version, and the parts `ladder` and `shared_weights`; the environment is made on first use."""
    root = tmp_path_factory.mktemp("repository")
    tools = [f"versions/tools/ladder/{name}.py" for name in ("core/installing", "inside/check_installed")]
    for path in ("noxfile.py", *tools):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    write(root / "pyproject.toml", PROJECT)
    write(root / "versions" / "01_one" / "pyproject.toml", "")
    write(root / "versions" / "tools" / "ladder" / "__init__.py", "")
    write(root / "versions" / "tools" / "ladder" / "__main__.py", TOOL)
    return root


def nox(root: Path, *arguments: str, folder: Path | None = None) -> tuple[int, str]:
    """The exit code and what was printed; RESNET50_NOX is the nox's that runs this test."""
    variables = {name: value for name, value in os.environ.items() if name != "RESNET50_NOX"}
    command = [sys.executable, "-P", "-m", "nox", "-f", str(root / "noxfile.py"), *arguments]
    done = subprocess.run(
        command, cwd=folder or root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


ALL = ("-s", "test(01_one)", "test(ladder)", "test(shared_weights)")


@pytest.mark.parametrize("word", ["one", "alpha", "beta"])
def test_a_part_in_which_nothing_is_selected_says_so_and_is_no_failure(word: str, repository: Path):
    code, out = nox(repository, *ALL, "--", "-k", word)
    assert code == 0, out
    assert out.count(f"no test here is selected by -k {word}") == 2


def test_a_word_that_selects_nothing_in_any_part_is_a_failure(repository: Path):
    for parts in (ALL, ALL[:2], ALL[:1] + ALL[2:3]):
        code, out = nox(repository, *parts, "--", "-k", "nowhere")
        assert code == 1 and out.count("no test was selected by -k nowhere in any part") == 1, out


def test_a_test_that_fails_is_a_failure_whatever_is_selected_elsewhere(repository: Path):
    code, out = nox(repository, *ALL, "--", "-k", "fails")
    assert code == 1 and "the tests ended with exit code 1" in out and "in any part" not in out


def test_all_parts_are_one_run_which_is_given_what_is_asked_for(repository: Path):
    code, out = nox(repository, "-s", "test", "--", "--every")
    assert code == 0 and out.count("called in") == 1 and "with test all --every" in out
    code, out = nox(repository, "-s", "sanitize")
    assert code == 5 or "with test all --build sanitize" in out


def test_ctrl_c_ends_nox_with_its_own_exit_code(repository: Path):
    assert nox(repository, "-s", "test", "test(ladder)", "--", "stops")[0] == 130


def test_a_file_of_a_versions_tests_can_be_named(repository: Path):
    assert nox(repository, "-s", "test(01_one)", "--", "tests/test_one.py")[0] == 0


def test_sessions_side_by_side_take_one_environment_and_select_as_one_after_the_other(repository: Path):
    shutil.rmtree(repository / "build", ignore_errors=True)
    code, out = nox(repository, "-j", "3", "--allow-parallel", *ALL, "--", "-k", "alpha")
    assert code == 0, out
    assert out.count("no test here is selected by -k alpha") == 2


ELSEWHERE = {
    "label": "versions/tools/labelling",
    "weights": "shared_weights",
    "fuzz": "versions/tools/fuzzing",
    "mnist": "mnist",
}  # sessions whose tool is not the ladder


@pytest.mark.parametrize(
    "session", ["classify", "label", "accuracy", "features", "diff", "profile", "asm", "weights", "fuzz", "mnist"]
)
def test_paths_are_relative_to_where_the_user_stands_and_no_module_comes_from_there(
    session: str, repository: Path, tmp_path: Path
):
    write(tmp_path / "json.py", "raise SystemExit('a stranger was run')\n")
    if session in ELSEWHERE:
        write(repository / ELSEWHERE[session] / "__main__.py", TOOL)
    code, out = nox(repository, "-s", session, "--", "picture.png", folder=tmp_path)
    assert code == 0, out
    assert re.search(rf'called in "{tmp_path}" with .*picture\.png', out)
    assert out.count("nox > ") == 2  # only that it begins, and that it has ended


def test_where_nothing_can_be_made_one_sentence_says_so(repository: Path, tmp_path: Path):
    for path in ("noxfile.py", "pyproject.toml"):
        shutil.copy(repository / path, tmp_path)
    write(tmp_path / "build", "a file where the folder should be\n")
    code, out = nox(tmp_path, "-s", "classify")
    assert code == 1 and f"{tmp_path}/build" in out and "must be writable" in out
    assert "usage" not in out and out.count("\n") <= 4
