"""How many threads there are to be."""

import os

from . import ops
from .errors import ThreadsError
from .processors import processors

VARIABLE = "RESNET50_THREADS"
MOST = 1024
LONGEST = 40  # characters of a number; Python refuses to read one of 5000


def make_crew(threads: int | None = None) -> "ops.Crew":
    """A crew of `threads`, by default $RESNET50_THREADS, or one for each processor; raises `ThreadsError`."""
    available = processors()
    if threads is None:
        wanted = os.environ.get(VARIABLE) or str(available)
        if not wanted.isdecimal() or len(wanted) > LONGEST:
            raise ThreadsError(f"{VARIABLE} is {wanted[:LONGEST]!r}, which is no number of threads")
        threads = int(wanted)
    if not 1 <= threads <= MOST:
        raise ThreadsError(f"there can be 1 to {MOST} threads, not {threads}")
    return ops.crew(threads, threads <= available)
