"""Whether this package is the only one of its name in its environment: several distributions may have one."""

import os
import sys
from glob import glob
from pathlib import Path

from .errors import InstallationError


def check() -> None:
    """Raises `InstallationError` if another distribution has a package of the same name in this one's environment.

    The one installed last has overwritten some of the other's files, and imports the rest; an editable one hides the
    other. pip does not notice, since only the distributions' names differ.

    A package that lies in a folder of sys.path has all its files from there, and what the other folders have does not
    matter. So a source tree, a copy or a zip file that PYTHONPATH puts in front is used whatever is installed behind
    it: no record is beside it. An editable package lies elsewhere, and its record in any of the folders.
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
    """Whether a folder of sys.path, "" for the current one, is `home`."""
    try:
        return os.path.samefile(folder or os.curdir, home)
    except OSError:  # it is not there
        return False


def has(record: Path, package: str) -> bool:
    """Whether a distribution has the package, by its RECORD: among its files, or where its editable loader finds it."""
    try:
        files = record.read_bytes()
    except OSError:  # nothing is known of it, and nothing said
        return False
    return f"{package}/__init__.py,".encode() in files or b"_editable_loader.py," in files
