"""Standard streams that may be closed, lines that are safe for a terminal, and Ctrl-C."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import InstallationError, ResNet50Error


def begin() -> None:
    """Prepares the process before the slow imports; ends it if several versions are mixed up.

    Ctrl-C ends the process without a traceback. A standard descriptor that is closed becomes /dev/null: otherwise the
    next file that is opened would get its number, and what C libraries write to stderr would go into that file.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it is ignored, and stays so
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    from .installation import check  # only now: it imports other modules

    try:
        check()
    except InstallationError as error:
        complain(error)
        sys.exit(2)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turns Ctrl-C into a KeyboardInterrupt inside `with`, so that half-written files can be removed."""
    ends_the_process = signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    try:
        if ends_the_process:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        if ends_the_process:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def silence() -> Iterator[None]:
    """Discards what C libraries write to stderr: libtiff reports damage there, besides the error that it returns.

    For the command line only, where no other thread is at work: the descriptor belongs to the whole process.
    """
    kept = os.dup(2)
    try:
        drop(2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def accept_any_name() -> None:
    """Sets the streams up for file names, which may be any bytes: a terminal may not have all their letters."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def shown(text: str) -> str:
    """`text` on one line; what could control a terminal (ESC, line breaks, bidi overrides) is escaped as by repr().

    >>> shown("a\\x1b[2J.png")
    'a\\\\x1b[2J.png'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def say(line: str) -> None:
    """Writes a line to stdout, at once; raises what `write` raises."""
    write(f"{shown(line)}\n")


def write(text: str) -> None:
    """Writes text to stdout, at once, and does not leave a failed write for Python to repeat when it ends.

    Raises BrokenPipeError if the reader has gone, `ResNet50Error` if the text cannot be written.
    """
    if sys.stdout is None:  # Python's sign that the descriptor was closed when it started
        raise ResNet50Error("cannot write the output: standard output is closed")
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        drop(sys.stdout.fileno())
        raise
    except OSError as error:
        drop(sys.stdout.fileno())
        raise ResNet50Error(f"cannot write the output: {error.strerror}") from error


def complain(error: object, program: str = "resnet50") -> None:
    """Writes a line to stderr, whatever the message contains; if that fails, the exit code has to suffice."""
    if sys.stderr is None:  # closed too; `print` would take None to mean stdout
        return
    try:
        print(f"{program}: {shown(str(error))}", file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr.fileno())


def drop(descriptor: int) -> None:
    """Discards whatever is written to a descriptor from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def lines() -> Iterator[str]:
    """The lines of stdin without their ends; none if it is closed. Raises `ResNet50Error` if it cannot be read."""
    try:
        for line in sys.stdin or ():
            yield line.rstrip("\r\n")
    except OSError as error:
        raise ResNet50Error(f"cannot read the input: {error.strerror}") from error
