"""Child processes that can all be stopped at once."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 10  # seconds that a child has to end after SIGINT, before it is killed
LIMIT = 3600  # seconds for one command; the longest test file takes 5 minutes under the sanitizers


@dataclass(frozen=True)
class Result:
    """A process's exit code, its output (stdout and stderr together) and its running time."""

    code: int = 0
    output: str = ""
    seconds: float = 0.0


class Processes:
    """The running children, each the leader of its own process group; used by several threads."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[bytes]] = set()
        self.lock = threading.Lock()
        self.stopped = False

    def run(self, command: list[str], folder: Path, variables: dict[str, str], shown: bool) -> Result:
        """Run a command and wait for it. If it is `shown`, it uses this process's own streams, and no output is kept.

        Otherwise the output goes to a file: a pipe would stay open until the last of the command's own children ended.
        And it is killed after LIMIT: a test that hangs fails.
        """
        start = time.perf_counter()
        with tempfile.TemporaryFile() as file:
            streams = {} if shown else {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
            with self.lock:
                if self.stopped:
                    return Result(130)
                # A shown command stays in the terminal's own group, so that it can read from the terminal.
                process = subprocess.Popen(command, cwd=folder, env=variables, start_new_session=not shown, **streams)  # type: ignore[call-overload]
                self.running.add(process)
            try:
                code = process.wait(timeout=None if shown else LIMIT)
            except subprocess.TimeoutExpired:
                file.write(f"\nstopped after {LIMIT} s\n".encode())
                send(process, signal.SIGKILL)
                code = process.wait()
            finally:
                with self.lock:
                    self.running.discard(process)
            file.seek(0)
            output = file.read().decode(errors="replace")
        return Result(code, output, time.perf_counter() - start)

    def stop(self) -> None:
        """Interrupt all children and their own children, as Ctrl-C does; kill those that do not end in time."""
        with self.lock:
            self.stopped = True
            children = list(self.running)
        try:
            for child in children:
                send(child, signal.SIGINT)
            end = time.monotonic() + PATIENCE
            while self.running and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            for child in children:
                send(child, signal.SIGKILL)


def send(child: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a child and its whole process group."""
    try:
        if os.getpgid(child.pid) != os.getpgid(0):
            os.killpg(child.pid, number)
        elif number == signal.SIGKILL:  # a shown child has received Ctrl-C from the terminal already
            child.kill()
    except ProcessLookupError:
        pass
