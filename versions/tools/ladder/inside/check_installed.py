"""Check that distributions are installed in this environment itself, each with every file of its record.

`python -I check_installed.py NAME...`; ends at the first that is not, with a message and exit code 1.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def installed(name: str) -> bool:
    """Whether the distribution is complete and in this environment, not in another one that Python searches too."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return False
    whole = bool(found.files) and all(file.locate().exists() for file in found.files or ())  # type: ignore[attr-defined]
    return whole and Path(str(found.locate_file(""))).resolve().is_relative_to(Path(sys.prefix).resolve())


for name in sys.argv[1:]:
    if not installed(name):
        sys.exit(f"pip says that it installed {name}, but it is not in {sys.prefix}: `pip config list` may say why")
