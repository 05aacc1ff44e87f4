"""What the command line says, and standard streams that are closed, full, or no longer read."""

import os
import sys
from contextlib import suppress
from typing import TextIO


def begin() -> None:
    """A standard descriptor that is closed becomes /dev/null, so that no file gets its number; stdout still fails."""
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)  # None: it was closed
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def end(code: int | str | None) -> int | str | None:
    """The exit code when everything is written: 2 where the output can't be, but 0 if its reader has gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)
        code = 0
    except OSError as error:
        drop(sys.stdout)
        if not code:  # else it was said
            complain(f"the output can't be written: {error.strerror}")
        code = 2
    try:
        sys.stderr.flush()
    except OSError:
        drop(sys.stderr)
    return code


def drop(stream: TextIO) -> None:
    """Let what is still to be written go nowhere: Python tries again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def complain(text: str) -> None:
    """One line on stderr; where that can't be written, the exit code has to do."""
    with suppress(OSError):
        print(f"cv_basics: {shown(text)}", file=sys.stderr)


def shown(text: str) -> str:
    """`text` in one line; what steers a terminal, such as ESC in a file's name, is written as in a Python literal."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
