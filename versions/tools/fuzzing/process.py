"""The parent's side of a process in which inputs are tried: its answers, or how it ended instead."""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ladder.core.errors import LadderError

CHILD = Path(__file__).parent / "child" / "main.py"
PATIENCE = 300  # seconds without an answer: for deadlocks; an endless loop is ended earlier, see child/main.py
MOST_MEMORY = 2 << 30  # bytes that a process may need for its input, without the sanitizer's own


@dataclass(frozen=True)
class Verdict:
    """The outcome of one input.

    `kind`: "answered" or "refused", as promised; or "exception", "crash", "hang" or "memory". `text`: the error in one
    line; `details`: everything known about it.
    """

    kind: str
    text: str
    details: str = ""

    @property
    def failed(self) -> bool:
        """Whether a promise was broken."""
        return self.kind not in ("answered", "refused")


class Child:
    """A process that runs `call` (see child/main.py) in `folder`; to be used in a `with` statement, which ends it.

    Raises LadderError if it cannot even start.
    """

    def __init__(self, python: Path, call: str, folder: Path, variables: Mapping[str, str]):
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 (close() closes it)
        self.process = subprocess.Popen(
            [str(python), str(CHILD), call, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            # noxfile.py sets it for this process, but CHILD imports the modules beside it.
            env={name: value for name, value in variables.items() if name != "PYTHONSAFEPATH"},
            start_new_session=True,  # Ctrl-C is for the parent
        )
        ready = self.receive()
        if ready.kind != "ready":
            self.close()
            raise LadderError(f"{call} could not start: {ready.details or ready.text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):  # it did not read all its input
                stream.close()  # type: ignore[union-attr]

    def ask(self, data: bytes) -> Verdict:
        """The verdict on an input. After a failure the process may have ended, or be unusable."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(len(data).to_bytes(8, "little") + data)  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        return self.receive()

    def receive(self) -> Verdict:
        """The next answer, or how the process ended instead."""
        pipe = self.process.stdout.fileno()  # type: ignore[union-attr]
        line = b""
        for _ in range(PATIENCE):  # counted in steps, since this process may be suspended together with the child
            if not select.select([pipe], [], [], 1.0)[0]:
                continue
            part = os.read(pipe, 1 << 16)
            line += part
            if not part:
                return self.obituary()
            if line.endswith(b"\n"):
                return self.parsed(line)
        self.process.kill()
        return Verdict("hang", f"no answer for {PATIENCE} s", self.last_words())

    @staticmethod
    def parsed(line: bytes) -> Verdict:
        """The verdict in a line of JSON; using too much memory is a failure."""
        answer = json.loads(line)
        if answer["memory"] > MOST_MEMORY and answer["kind"] in ("answered", "refused"):
            return Verdict("memory", f"{answer['memory'] / 1e9:.1f} GB in use; {answer['text']}")
        return Verdict(answer["kind"], " ".join(answer.get("text", "").split()), answer.get("details", ""))

    def obituary(self) -> Verdict:
        """How the process ended: on its own or by a sanitizer (crash), or because its time was up (hang)."""
        code = self.process.wait()
        words = self.last_words()
        if code == -signal.SIGPROF:
            return Verdict("hang", "its processor time was used up", words)
        reports = [line for line in words.splitlines() if "Sanitizer:" in line or "runtime error:" in line]
        ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Verdict("crash", reports[0] if reports else ended, words)

    def last_words(self) -> str:
        """The end of what the process wrote to stderr, at most 20 kB."""
        self.stderr.seek(max(0, self.stderr.seek(0, os.SEEK_END) - 20_000))
        return self.stderr.read().decode(errors="replace").strip()
