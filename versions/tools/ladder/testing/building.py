"""Builds a version in its own process, which can be stopped: `python -m ladder.testing.building ROOT NAME BUILD`."""

import sys
from pathlib import Path

from ladder.core import environment
from ladder.core.errors import BuildError, LadderError
from ladder.core.versions import discover, find


def main(root: str, name: str, build: str) -> int:
    """Returns 0, or 1 after printing why the build failed."""
    try:
        environment.python(find(discover(Path(root)), name), build)
    except LadderError as error:
        print(f"{error.output.rstrip()}\n" if isinstance(error, BuildError) else "", f"ladder: {error}", sep="")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
