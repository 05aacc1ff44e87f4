"""Files that are written whole or not at all, whatever happens meanwhile: Ctrl-C, a full disk."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnist.errors import OutputError


def write(file: Path, content: bytes) -> None:
    """Write a file and the folders that lead to it; whoever reads it finds the old one or the new one.

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
    """Ctrl-C acts at the end of the block, as it would have acted before it. For the main thread."""
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
