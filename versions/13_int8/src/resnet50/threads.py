"""How many threads to use."""

import os

from . import ops
from .cpu_count import cpu_count
from .errors import ThreadsError

VARIABLE = "RESNET50_THREADS"
MOST = 1024
LONGEST = 40  # characters of a number; Python refuses to parse one of 5000


def make_crew(threads: int | None = None) -> "ops.Crew":
    """A crew of `threads`, by default $RESNET50_THREADS, or one for each processor; raises `ThreadsError`."""
    available = cpu_count()
    if threads is None:
        wanted = os.environ.get(VARIABLE) or str(available)
        if not wanted.isdecimal() or len(wanted) > LONGEST:
            raise ThreadsError(f"{VARIABLE} is {wanted[:LONGEST]!r}, which is not a number of threads")
        threads = int(wanted)
    if not 1 <= threads <= MOST:
        raise ThreadsError(f"the number of threads must be between 1 and {MOST}, not {threads}")
    return ops.crew(threads, threads <= available)
