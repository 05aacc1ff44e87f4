"""How every tool starts and ends: handles Ctrl-C during the imports, and standard streams that cannot be written.

Nothing slow is imported here.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn, TextIO


def begin(program: str) -> None:
    """Prepare the process, before imports that can take seconds on a busy machine.

    Ctrl-C ends the process at once: a KeyboardInterrupt would come out of unguarded code, or be mistaken for a
    library that cannot be imported. Where Ctrl-C is ignored, as under nohup, it stays ignored. A standard descriptor
    that is closed becomes /dev/null, so that no file gets its number; stdout still cannot be written.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest free number, which is this one
    sys.stdout, sys.stderr = Stream(1, sys.stdout, program), Stream(2, sys.stderr, program)


def run(main: Callable[[], int]) -> NoReturn:
    """Run the command and end the process with its exit code, or with 2 if its output cannot be written."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the commands turn it into the exit code 130
    try:
        sys.exit(main())
    finally:
        sys.stdout.flush()


class Stream(io.TextIOWrapper):
    """stdout or stderr. If stdout cannot be written, it reports this on stderr and ends the program by `sys.exit`.

    The exit code is 2; or 0 if the reader, such as `head`, has seen enough. If stderr cannot be written, its text is
    lost, but the exit code still shows the error.
    """

    def __init__(self, descriptor: int, before: TextIO | None, program: str):
        """Replace Python's own stream `before`, which is None if the descriptor was closed."""
        if isinstance(before, io.TextIOWrapper):
            kept = {name: getattr(before, name) for name in ("encoding", "line_buffering", "write_through")}
            super().__init__(before.detach(), errors="backslashreplace", **kept)  # its encoding may lack characters
        else:
            super().__init__(os.fdopen(descriptor, "wb", closefd=False), encoding="utf-8")
        self.descriptor, self.program = descriptor, program

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self.fail(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Discard all pending output; if this is stdout, end the process."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.descriptor)
        os.close(nowhere)
        if self.descriptor == 2:
            return
        if isinstance(error, BrokenPipeError):
            sys.exit(0)
        reason = "standard output is not open for writing" if error.errno == errno.EBADF else error.strerror
        print(f"{self.program}: cannot write the output: {reason}", file=sys.stderr)
        sys.exit(2)
