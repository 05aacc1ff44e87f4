"""`python -m mnist`: the command line of cli.py. Its imports take a second; Ctrl-C ends them without a traceback."""

import sys

if __name__ == "__main__":
    try:
        from mnist.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed; nox -s mnist -- {' '.join(sys.argv[1:])} installs it", file=sys.stderr)
        sys.exit(2)
