"""The process in which inputs are tried: it answers each with a line of JSON, or dies.

`python main.py MODULE.FUNCTION FOLDER`, with the interpreter of the tested version, whose environment has only that
version and its requirements. The function takes the folder and returns a call, which takes an input, and the exceptions
that the call may raise. Each input comes on stdin, preceded by its length as a little-endian number of 8 bytes.
"""

import importlib
import json
import logging
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

SECONDS = 20  # of processor time for one input, after which the system ends this process; most take milliseconds

Call = Callable[[bytes], object]
Named = tuple[type[BaseException], ...]


def main(name: str, folder: Path) -> None:
    """Prepare, report "ready", and answer inputs until there are no more."""
    answers, inputs = os.fdopen(os.dup(1), "w"), sys.stdin.buffer
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # anything else that is printed is not an answer
    logging.lastResort = logging.StreamHandler()  # on the descriptor, even if a call replaces sys.stderr
    os.chdir(folder)
    module, function = name.split(".")
    call, named = getattr(importlib.import_module(module), function)(folder)
    say(answers, kind="ready")
    while length := inputs.read(8):
        data = inputs.read(int.from_bytes(length, "little"))
        # In processor time, so that a busy or suspended machine does not look like a hang.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        verdict = judge(call, named, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        say(answers, **verdict)


def say(answers: IO[str], **verdict: Any) -> None:
    """Print an answer on the original stdout, with this process's peak memory in bytes."""
    verdict["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(verdict), file=answers, flush=True)


def judge(call: Call, named: Named, data: bytes) -> dict[str, str]:
    """The verdict on an input: "answered", "refused" with a named exception, or another "exception"."""
    try:
        call(data)
    except named as error:
        return {"kind": "refused", "text": f"{type(error).__name__}: {error}"}
    except BaseException as error:  # including Rust's panics, which are not Exceptions
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(place.filename).name}, {place.name})"
        return {"kind": "exception", "text": text, "details": traceback.format_exc()}
    return {"kind": "answered", "text": ""}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
