"""`python -m cv_basics`."""

import sys

from cv_basics.cli import main

sys.exit(main())
