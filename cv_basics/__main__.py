"""`python -m cv_basics`."""

import sys

from cv_basics import streams

streams.begin()
code: int | str | None
try:
    from cv_basics.cli import main

    code = main()
except ModuleNotFoundError as error:
    if not error.name or error.name.startswith("cv_basics"):
        raise  # a bug here, not a missing package
    streams.complain(f"{error.name} is not installed; `nox -s cv_basics -- LESSON PICTURE` installs what it needs")
    code = 2
except KeyboardInterrupt:  # during the imports; `main` handles its own
    code = 130
except SystemExit as error:  # from argparse
    code = error.code
sys.exit(streams.end(code))
