"""Child processes that can all be ended at once."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 10  # seconds that a child has to end by itself, once it is told to


@dataclass(frozen=True)
class Result:
    """How a process ended, what it printed on stdout and stderr, and how long it took."""

    code: int = 0
    output: str = ""
    seconds: float = 0.0


class Processes:
    """All children that run, each the first of a process group of its own; used by several threads."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[bytes]] = set()
        self.lock = threading.Lock()
        self.stopped = False

    def run(self, command: list[str], folder: Path, variables: dict[str, str], shown: bool) -> Result:
        """Run a command to its end. If it is `shown` it has this process's own streams, and nothing is kept of it.

        Its output goes to a file: a pipe would not end before the last of its own children did.
        """
        start = time.perf_counter()
        with tempfile.TemporaryFile() as file:
            streams = {} if shown else {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
            with self.lock:
                if self.stopped:
                    return Result(130)
                # What is shown stays in the terminal's own group, since it may ask for something.
                process = subprocess.Popen(command, cwd=folder, env=variables, start_new_session=not shown, **streams)  # type: ignore[call-overload]
                self.running.add(process)
            try:
                code = process.wait()
            finally:
                with self.lock:
                    self.running.discard(process)
            file.seek(0)
            output = file.read().decode(errors="replace")
        return Result(code, output, time.perf_counter() - start)

    def stop(self) -> None:
        """End them as Ctrl-C does, with all that they have started; whatever does not end is killed."""
        with self.lock:
            self.stopped = True
            children = list(self.running)
        try:
            for child in children:
                tell(child, signal.SIGINT)
            end = time.monotonic() + PATIENCE
            while self.running and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            for child in children:
                tell(child, signal.SIGKILL)


def tell(child: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a child and all in its group."""
    try:
        if os.getpgid(child.pid) != os.getpgid(0):
            os.killpg(child.pid, number)
        elif number == signal.SIGKILL:  # it is shown: the terminal has given it Ctrl-C already
            child.kill()
    except ProcessLookupError:
        pass
