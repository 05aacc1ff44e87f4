"""Several distributions of this package in one environment: one clear error, before anything else goes wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import resnet50
from resnet50 import InstallationError, ResNet50Error

CHECK = "from resnet50.installation import check; check()"
USE = "import resnet50; resnet50.ResNet50"
LOADED = "import sys; sys.path.insert(0, sys.argv[1]); import resnet50; del sys.path[0]"  # as an editable install does


@pytest.fixture
def site(tmp_path):
    """A folder with a copy of this package whose network cannot be imported, as if versions were mixed."""
    shutil.copytree(Path(resnet50.__file__).parent, tmp_path / "site" / "resnet50")
    (tmp_path / "site" / "resnet50" / "network.py").write_text("raise AttributeError('the operators have no conv2d')")
    return tmp_path / "site"


def record(site, name, file="resnet50/__init__.py"):
    """Writes the record that an installer leaves beside a distribution's package."""
    folder = site / f"{name}-1.0.0.dist-info"
    folder.mkdir()
    (folder / "RECORD").write_text(f"{name}-1.0.0.dist-info/RECORD,,\n{file},sha256=abc,120\n")


def python(path, *arguments):
    """Runs Python with `path` ahead of the environment's own packages."""
    variables = os.environ | {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_two_distributions_in_one_folder_are_named_with_the_way_out(site):
    record(site, "resnet50_early_bird")
    record(site, "resnet50_late_riser")
    done = python(site, "-c", USE)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("resnet50.errors.InstallationError: resnet50-early-bird and resnet50-late-riser are ")
    assert "pip uninstall resnet50-early-bird resnet50-late-riser" in last
    assert str(site) in last
    assert issubclass(InstallationError, ResNet50Error) and issubclass(InstallationError, RuntimeError)


def test_the_command_line_says_it_in_one_line(site):
    record(site, "resnet50_early_bird")
    record(site, "resnet50_late_riser")
    for arguments in (["--help"], ["classify", "none.png"]):
        done = python(site, "-m", "resnet50", *arguments)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert done.stderr.startswith("resnet50: resnet50-early-bird and resnet50-late-riser are installed in one ")


@pytest.mark.parametrize("late", ["_resnet50_late_riser_editable_loader.py", "resnet50/__init__.py"])
def test_an_editable_distribution_beside_another_is_named_too(site, tmp_path, late):
    """The package of an editable distribution is in a source tree, where its loader finds it, not beside its record."""
    (tmp_path / "lib").mkdir()
    record(tmp_path / "lib", "resnet50_early_bird", "_resnet50_early_bird_editable_loader.py")
    editable = [tmp_path / "lib", "-c", f"{LOADED}; {CHECK}", str(site)]
    assert python(*editable).stderr == ""
    record(tmp_path / "lib", "resnet50_late_riser", late)
    last = python(*editable).stderr.splitlines()[-1]
    assert last.startswith("resnet50.errors.InstallationError: resnet50-early-bird and resnet50-late-riser are ")
    assert f"({tmp_path / 'lib'})" in last


def test_a_source_tree_in_front_is_used_whatever_is_installed(site, tmp_path):
    (tmp_path / "lib").mkdir()
    record(tmp_path / "lib", "resnet50_early_bird")
    record(tmp_path / "lib", "resnet50_late_riser", "_resnet50_late_riser_editable_loader.py")
    assert python(f"{site}{os.pathsep}{tmp_path / 'lib'}", "-c", CHECK).stderr == ""


def test_a_record_that_cannot_be_read_is_ignored(site):
    record(site, "resnet50_early_bird")
    (site / "resnet50_late_riser-1.0.0.dist-info" / "RECORD").mkdir(parents=True)
    assert python(site, "-c", CHECK).stderr == ""


def test_one_distribution_alone_is_not_an_error(site):
    record(site, "resnet50_early_bird")
    record(site, "resnet50_tools", "resnet50_tools/__init__.py")
    record(site, "numpy")
    assert python(site, "-c", CHECK).stderr == ""


def test_a_copy_without_records_and_a_zip_file_are_not_errors(site):
    assert python(site, "-c", CHECK).stderr == ""
    packed = shutil.make_archive(site.parent / "packed", "zip", site)
    assert python(packed, "-c", CHECK).stderr == ""


def test_the_package_offers_its_network_before_it_is_imported():
    code = "import sys, resnet50; sys.exit('numpy' in sys.modules or 'ResNet50' not in dir(resnet50))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
    with pytest.raises(AttributeError, match="resnet51"):
        _ = resnet50.resnet51
