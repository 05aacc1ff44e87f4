"""`python -m cv_basics`."""

import sys

try:
    from cv_basics.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # while libraries are imported; `main` answers it itself
    sys.exit(130)
