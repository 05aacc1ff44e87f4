"""Checks that this package is the only one of its name in its environment: each version is a distribution with one."""

import os
import sys
from glob import glob
from pathlib import Path

from .errors import InstallationError


def check() -> None:
    """Raises `InstallationError` if another distribution has a package of the same name in this one's environment.

    The one installed last has overwritten some of the other's files and would import the rest; an editable one hides
    the other. pip does not notice, because the distributions have different names.

    A package in a folder of sys.path has all its files there, so the other folders do not matter. A source tree, a copy
    or a zip file that PYTHONPATH puts first is therefore used whatever is installed: no record lies beside it. An
    editable package lies elsewhere, and its record may be in any of the folders.
    """
    package = Path(__file__).parent
    home = str(package.parent)
    folders = [folder for folder in sys.path if isinstance(folder, str)]  # import ignores others too
    if any(is_same(folder, home) for folder in folders):
        folders = [home]
    for folder in folders:
        records = sorted(glob(f"{package.name}*.dist-info/RECORD", root_dir=folder))
        owners = [
            record.partition("-")[0].replace("_", "-") for record in records if has(Path(folder, record), package.name)
        ]
        if len(owners) > 1:
            raise InstallationError(
                f"{' and '.join(owners)} are installed in one environment ({folder}) and overwrite or hide each "
                f"other's files; remove all of them (pip uninstall {' '.join(owners)}), then install one: each needs "
                "an environment of its own"
            )


def is_same(folder: str, home: str) -> bool:
    """Whether a folder of sys.path ("" for the current one) is `home`."""
    try:
        return os.path.samefile(folder or os.curdir, home)
    except OSError:  # it does not exist
        return False


def has(record: Path, package: str) -> bool:
    """Whether a distribution has the package: its RECORD lists it, or an editable loader that finds it."""
    try:
        files = record.read_bytes()
    except OSError:  # nothing is known about it
        return False
    return f"{package}/__init__.py,".encode() in files or b"_editable_loader.py," in files
