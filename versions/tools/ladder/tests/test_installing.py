"""Environments that pip fills: by one process at a time, anew after an interruption, and nowhere else."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ladder.core import environment, installing
from ladder.core.errors import LadderError
from ladder.core.versions import Version


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package `small` that needs nothing."""
    path = tmp_path / "small-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small/__init__.py", "value = 1\n")
        archive.writestr("small-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1\n")
        archive.writestr("small-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("small-1.dist-info/RECORD", "")
    return path


@pytest.fixture
def fill(tmp_path: Path, wheel: Path):
    """Starts to install `small` into a folder; returns the process. Variables are added to this process's own."""

    def start(folder: Path, **variables: str) -> subprocess.Popen:
        command = [sys.executable, installing.__file__, folder, f"small @ {wheel.as_uri()}"]
        return subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)

    return start


def value(folder: Path) -> str:
    """What the installed package holds."""
    command = [installing.interpreter_of(folder), "-I", "-c", "import small; print(small.value)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


REDIRECTIONS = {
    "user": "1", "target": "ELSEWHERE", "prefix": "ELSEWHERE", "root": "ELSEWHERE", "dry-run": "1", "python": "/none",
}  # fmt: skip


@pytest.mark.parametrize("place", ["variable", "pip.conf"])
def test_whatever_pip_is_told_elsewhere_packages_get_into_the_environment(place, fill, tmp_path: Path):
    """All of it at once: a single one of these options would be enough to keep the package out, or to end pip."""
    elsewhere = tmp_path / "elsewhere"
    settings = {option: value.replace("ELSEWHERE", str(elsewhere)) for option, value in REDIRECTIONS.items()}
    lines = [f"{option} = {value}\n" for option, value in settings.items()]
    config = tmp_path / "pip.conf"
    config.write_text("".join(["[global]\n", *lines]) if place == "pip.conf" else "")
    variables = {"PIP_CONFIG_FILE": str(config), "PYTHONUSERBASE": str(elsewhere)}
    if place == "variable":
        variables |= {f"PIP_{option.upper().replace('-', '_')}": value for option, value in settings.items()}
    process = fill(tmp_path / "env", **variables)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert value(tmp_path / "env") == "1" and not elsewhere.exists()


def test_whatever_virtualenv_is_told_elsewhere_the_environment_has_pip_and_this_python(fill, tmp_path: Path):
    process = fill(tmp_path / "env", VIRTUALENV_NO_PIP="1", VIRTUALENV_PYTHON="/none", PYTHONHOME="")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert value(tmp_path / "env") == "1"


def test_an_environment_is_not_stamped_if_a_file_that_was_asked_for_is_not_in_it(fill, tmp_path: Path):
    folder = tmp_path / "env"
    assert fill(folder).wait(timeout=300) == 0
    check = installing.check(folder, "small @ somewhere")
    assert subprocess.run(check).returncode == 0
    [module] = folder.rglob("small/__init__.py")
    module.unlink()
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 1 and "small, but it is not in" in done.stderr and done.stderr.count("\n") == 1
    assert subprocess.run(installing.check(folder, "unknown>=1"), capture_output=True).returncode == 1


def test_processes_at_once_install_once_and_say_that_they_wait(fill, tmp_path: Path):
    folder = tmp_path / "env"
    with installing.held(tmp_path / "env.lock", "", print):
        processes = [fill(folder) for _ in range(3)]
        for process in processes:
            assert process.stderr.readline() == "waiting for another process that is installing env ...\n"
        assert not folder.exists()
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    assert value(folder) == "1"


def test_what_an_interrupted_run_has_left_is_made_anew_and_what_is_complete_is_kept(fill, tmp_path: Path):
    folder = tmp_path / "env"
    rubbish = folder / "lib" / "rubbish"
    rubbish.mkdir(parents=True)
    assert fill(folder).communicate(timeout=300)[1] == "installing what env needs ...\n"
    assert not rubbish.exists() and value(folder) == "1"
    inode = (folder / "pyvenv.cfg").stat().st_ino
    assert fill(folder).communicate(timeout=300)[1] == ""
    assert (folder / "pyvenv.cfg").stat().st_ino == inode


@pytest.mark.parametrize("letter", [":", ";", "'", "\\", "\n", "\udcff"])
def test_in_a_folder_where_nothing_can_be_built_one_sentence_says_so_before(letter: str, fill, tmp_path: Path):
    folder = tmp_path / f"a{letter}b"
    folder.mkdir()
    process = fill(folder / "env")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "can't work in a folder whose path holds" in err and err.count("\n") == 1
    assert not list(folder.iterdir())
    with pytest.raises(LadderError, match="move the repository"):
        environment.python(Version(folder, "resnet50", "an idea"))


def test_a_space_a_dollar_and_foreign_letters_in_the_path_are_no_trouble(fill, tmp_path: Path):
    folder = tmp_path / 'ä $HOME "漢" #%&()' / "env"
    process = fill(folder)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert value(folder) == "1"
