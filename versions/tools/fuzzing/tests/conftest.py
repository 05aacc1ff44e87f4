"""The modules in child/ find one another here as in the process in which inputs are tried."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "child"))
