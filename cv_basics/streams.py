"""The command line's output, also where a standard stream is closed, full, or no longer read."""

import os
import sys
from contextlib import suppress
from typing import TextIO


def begin() -> None:
    """Open /dev/null as any closed standard descriptor, so that no file gets its number; stdout still fails."""
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # which takes the lowest free number: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)  # None: it was closed
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def end(code: int | str | None) -> int | str | None:
    """Flush both streams and return the exit code: 2 if the output can't be written, but 0 if its reader has gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)
        code = 0
    except OSError as error:
        drop(sys.stdout)
        if not code:  # otherwise an error has been printed
            complain(f"can't write the output: {error.strerror}")
        code = 2
    try:
        sys.stderr.flush()
    except OSError:
        drop(sys.stderr)
    return code


def drop(stream: TextIO) -> None:
    """Discard what is still buffered: Python would try to write it again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def complain(text: str) -> None:
    """Print one line on stderr; if that can't be written, the exit code has to do."""
    with suppress(OSError):
        print(f"cv_basics: {printable(text)}", file=sys.stderr)


def printable(text: str) -> str:
    """`text` on one line; what controls a terminal, such as ESC in a file's name, is escaped as in a Python literal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
