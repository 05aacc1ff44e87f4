"""Environments: built once, renewed on a change, never corrupted by a failure or by two processes at once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core import environment
from ladder.core.errors import BuildError
from ladder.core.versions import Version, read

from .conftest import Tree, write

# A version's build backend that needs nothing from outside. Like meson it leaves its folder behind, and like meson it
# can't go on from a folder in which it has failed.
BACKEND = """
import pathlib, time, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    here = pathlib.Path(__file__).parent
    folder = pathlib.Path(config_settings["build-dir"])
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "failed").exists():
        raise SystemExit("the folder of a failed configure was not removed")
    with open(here.parents[1] / "builds.log", "a") as log:
        print(config_settings["setup-args"], file=log)
    time.sleep(0.5)
    if "broken" in (here / "source.py").read_text():
        (folder / "failed").touch()
        raise SystemExit("source.py:1: this is what the compiler says")
    name = "resnet50_01_one-1-py3-none-any.whl"
    info = "resnet50_01_one-1.dist-info"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("resnet50.py", (here / "source.py").read_text())
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: resnet50-01-one\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "resnet50-01-one"
version = "1"

[tool.ladder]
idea = "to be built"
"""


@pytest.fixture
def version(tree: Tree) -> Version:
    """A version whose backend notes each build in builds.log."""
    folder = tree.root / "versions" / "01_one"
    write(folder / "pyproject.toml", PYPROJECT)
    write(folder / "backend.py", BACKEND)
    write(folder / "source.py", "value = 1\n")
    write(folder / "tests" / "test_value.py", "from resnet50 import value\n\ndef test_one():\n    assert value == 1\n")
    return read(folder)


def builds(version: Version) -> list[str]:
    """What the backend was told at each build."""
    log = version.folder.parents[1] / "builds.log"
    return log.read_text().splitlines() if log.exists() else []


def value(python: Path) -> str:
    """What the installed package holds."""
    command = [str(python), "-c", "import pytest, resnet50; print(resnet50.value)"]
    return subprocess.run(
        command, env=environment.variables(), capture_output=True, text=True, check=True
    ).stdout.strip()


def test_built_once_and_renewed_on_a_change(version: Version, capsys):
    python = environment.python(version)
    assert value(python) == "1" and builds(version) == ["-Dwerror=true"]
    assert "building 01_one (release)" in capsys.readouterr().err
    inode = (python.parents[1] / "pyvenv.cfg").stat().st_ino

    started = time.perf_counter()
    assert environment.python(version) == python
    assert time.perf_counter() - started < 0.1  # it takes about 1 ms
    assert len(builds(version)) == 1 and capsys.readouterr().err == ""

    write(version.folder / "source.py", "value = 2\n")
    assert value(environment.python(version)) == "2" and len(builds(version)) == 2
    assert (python.parents[1] / "pyvenv.cfg").stat().st_ino == inode  # the environment itself was kept
    assert not list(version.folder.rglob("__pycache__"))


@pytest.mark.parametrize("name", ["CC", "CFLAGS"])
def test_another_compiler_or_other_flags_mean_another_build(name: str, version: Version, monkeypatch):
    monkeypatch.setenv("CC", "gcc")
    environment.python(version)
    monkeypatch.setenv(name, {"CC": "gcc -m64", "CFLAGS": "-O1"}[name])
    environment.python(version)
    assert len(builds(version)) == 2


def test_a_build_is_current_until_a_file_changes(version: Version):
    assert not environment.is_current(version, "release")
    environment.python(version)
    assert environment.is_current(version, "release")
    write(version.folder / "source.py", "value = 2\n")
    assert not environment.is_current(version, "release")


def test_a_failure_shows_what_was_printed_and_the_next_try_begins_anew(version: Version, capsys):
    write(version.folder / "source.py", "broken\n")
    with pytest.raises(BuildError, match="01_one could not be built") as error:
        environment.python(version)
    assert "this is what the compiler says" in error.value.output
    assert main(["test", "01"], version.folder.parents[1]) == 1
    shown = "".join(capsys.readouterr())
    assert "this is what the compiler says" in shown and "not removed" not in shown and "Traceback" not in shown

    write(version.folder / "source.py", "value = 3\n")
    assert value(environment.python(version)) == "3"
    assert "Successfully installed" not in capsys.readouterr().err  # pip's words only where they help


def test_two_processes_at_once_build_once(version: Version):
    code = (
        "from ladder.core import environment, versions; from pathlib import Path; "
        f"print(environment.python(versions.read(Path({str(version.folder)!r}))))"
    )
    variables = environment.variables() | {"PYTHONPATH": os.environ["PYTHONPATH"]}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert len(builds(version)) == 1
    assert any(b"waiting for another process" in err for _, err in results)
    assert value(Path(results[0][0].decode().strip())) == "1"


def test_a_versions_tests_run_in_its_environment_and_leave_nothing(version: Version, capfd):
    root = version.folder.parents[1]
    before = sorted(version.folder.rglob("*"))
    assert main(["test", "01", "-k", "one", "-q"], root) == 0
    assert "1 passed" in capfd.readouterr().out
    write(version.folder / "source.py", "value = 2\n")
    assert main(["test", "01_one"], root) == 1
    assert sorted(version.folder.rglob("*")) == before


def test_the_tests_of_a_version_that_cannot_run_are_skipped_with_a_sentence(tree: Tree, capsys):
    tree.version("01_one", requires=["imaginary"])
    assert main(["test", "01"], tree.root) == 0
    assert "01_one is skipped" in capsys.readouterr().err


def test_the_fingerprint_sees_place_name_and_content(tmp_path: Path):
    prints = set()
    for folder, name, content in (("a", "x", "1"), ("b", "x", "1"), ("a2", "y", "1"), ("a3", "x", "2")):
        write(tmp_path / folder / name, content)
        prints.add(environment.fingerprint(tmp_path / folder))
    assert len(prints) == 4
    write(tmp_path / "a" / "__pycache__" / "x.pyc", "rubbish")
    assert environment.fingerprint(tmp_path / "a") in prints


def test_processes_of_a_version_do_not_see_the_tools_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "versions")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "/somewhere")
    variables = environment.variables()
    assert "PYTHONPATH" not in variables and variables["PYTHONPYCACHEPREFIX"] == "/somewhere"
