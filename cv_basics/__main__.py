"""`python -m cv_basics`."""

import sys

try:
    from cv_basics.cli import main

    code = main()
except ModuleNotFoundError as error:
    if not error.name or error.name.startswith("cv_basics"):
        raise  # a fault of ours, not a missing package
    advice = "`nox -s cv_basics -- LESSON PICTURE` installs what the lessons need"
    print(f"cv_basics: {error.name} is not installed; {advice}", file=sys.stderr)
    code = 2
except KeyboardInterrupt:  # while libraries are imported; `main` answers it itself
    code = 130
sys.exit(code)
