"""Files that are written whole or not at all, even if Ctrl-C is pressed or the disk is full."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist.errors import OutputError


def write(file: Path, content: bytes) -> None:
    """Write a file, and create its folder if necessary; a reader finds either the old file or the new one.

    Ctrl-C waits until it is written. Raises OutputError, and leaves nothing half-written behind.
    """
    partial = file.with_name(file.name + ".part")
    with interrupt_deferred():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            os.replace(partial, file)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise OutputError(f"{file} cannot be written: {error.strerror or error}") from error


@contextmanager
def interrupt_deferred() -> Iterator[None]:
    """Delay Ctrl-C to the end of the block, where it acts as usual. For the main thread only."""
    pressed = False

    def note(signum: int, frame: object) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
