"""Name pictures in several processes that share one network: reads and answers lines of JSON.

`python crew.py WEIGHTS PROCESSES SECONDS BYTES`. The line {"number": N, "picture": PATH} is answered, in any order,
with {"number": N} and "label" and "score", or "reason": a sentence. A picture may take so many seconds, and so many
bytes beside the network's own. Whatever it does to the process that reads it, the others and the next picture are not
affected. The program ends when its input does.

The network is loaded once, and the processes are forked: they share its memory, and one that was lost is replaced in
milliseconds. Each reads pictures and runs the network, in one thread, so that no pixels are copied between processes.
"""

import gc
import json
import multiprocessing
import os
import resource
import signal
import sys
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from resnet50 import PictureError, ResNet50, ResNet50Error
from resnet50.naming import named
from resnet50.worker import infer, load_picture

LONGEST_REASON = 300  # characters
FORK = multiprocessing.get_context("fork")


@dataclass
class Member:
    """A process of the crew; `task`: what it is busy with."""

    process: ForkProcess
    pipe: Connection
    task: dict[str, Any] | None = None


class Crew:
    """Up to `size` processes. `seconds`, `bytes`: the limits for each picture."""

    def __init__(self, net: ResNet50, size: int, seconds: float, bytes: int) -> None:
        self.net, self.size, self.seconds, self.bytes = net, size, seconds, bytes
        self.members: list[Member] = []

    def serve(self) -> None:
        """Answer what comes from stdin, until it ends."""
        tasks: deque[dict[str, Any]] = deque()
        lines = Lines()
        while True:
            while tasks and (member := self.free()):
                self.give(member, tasks.popleft())
            ready = wait([0, *(member.pipe for member in self.members)])
            if 0 in ready:
                tasks += map(json.loads, lines.read())
                if lines.ended:
                    return
            for member in [member for member in self.members if member.pipe in ready]:
                self.receive(member)

    def free(self) -> Member | None:
        """A member with nothing to do, if need be a new one; None if all are busy."""
        for member in self.members:
            if member.task is None:
                return member
        return self.hire() if len(self.members) < self.size else None

    def hire(self) -> Member:
        """Fork a new member. It closes the parent's ends of all pipes: they end when the parent does."""
        ours, theirs = FORK.Pipe()
        others = [ours, *(member.pipe for member in self.members)]
        process = FORK.Process(target=work, args=(self.net, theirs, others, self.seconds, self.bytes), daemon=True)
        process.start()
        theirs.close()
        self.members.append(Member(process, ours))
        return self.members[-1]

    def give(self, member: Member, task: dict[str, Any]) -> None:
        """Let a free member do a task."""
        member.task = task
        with suppress(OSError):  # it has just been ended from outside: `receive` finds out how
            member.pipe.send_bytes(task["picture"].encode(errors="surrogateescape"))

    def receive(self, member: Member) -> None:
        """Pass on a member's answer, or what has become of it."""
        try:
            answer = json.loads(member.pipe.recv_bytes())
        except (EOFError, OSError):
            self.dismiss(member)
            answer = {"reason": cause(member.process.exitcode, self.seconds)}
        if member.task:
            print(json.dumps({"number": member.task["number"]} | answer), flush=True)
            member.task = None

    def dismiss(self, member: Member) -> None:
        """Let go of a member that has ended, or that is not to be trusted any more."""
        self.members.remove(member)
        member.process.kill()
        member.process.join()
        member.pipe.close()


class Lines:
    """The lines of stdin, as far as they have come; `ended`: there will be no more."""

    def __init__(self) -> None:
        self.rest, self.ended = b"", False

    def read(self) -> Iterator[bytes]:
        """The whole lines among what is there to be read."""
        data = os.read(0, 1 << 16)
        self.ended = not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        return iter(lines)


def cause(code: int | None, seconds: float) -> str:
    """Why a process that looked at a picture has ended, in words."""
    if code == -signal.SIGALRM:
        return f"it took longer than {seconds:g} s"
    if code == -signal.SIGKILL:
        return "its process was killed, as the system does when memory is short"
    how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with exit code {code}"
    return f"its process ended {how}"


def work(net: ResNet50, pipe: Connection, others: list[Connection], seconds: float, bytes: int) -> None:
    """A member's life: for each path an answer, until the pipe ends. `others`: connections that are the parent's.

    The alarm ends the process even inside a decoder in C, and also if there is no parent left to do it.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):  # the parent's input and output; libtiff writes to the third
        os.dup2(nowhere, descriptor)
    for other in others:
        other.close()
    limit_memory(bytes)
    with suppress(EOFError, ConnectionError):
        while True:
            picture = pipe.recv_bytes().decode(errors="surrogateescape")
            signal.setitimer(signal.ITIMER_REAL, seconds)
            answer = look(net, picture)
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send_bytes(json.dumps(answer).encode())


def limit_memory(bytes: int) -> None:
    """Let this process take `bytes` more than it has now. macOS has no such limit."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def look(net: ResNet50, picture: str) -> dict[str, Any]:
    """The label and its probability, or the reason why there is none."""
    try:
        logits, _ = infer(net, load_picture(net, picture), picture)
        [first] = named(net, logits, 1, picture)
        return {"label": first["label"], "score": round(first["probability"], 6)}
    except MemoryError:
        return {"reason": "not enough memory for this picture"}
    except (ResNet50Error, OSError) as error:
        return {"reason": str(error).removeprefix(f"{picture}: ")[:LONGEST_REASON]}


def prepare(net: ResNet50) -> None:
    """Do once, before the processes are forked, what each would do for its first picture of the usual size."""
    with suppress(PictureError):
        height, width, _ = net.preprocess(Image.new("RGB", (1024, 1024))).shape
        if hasattr(net, "plan"):
            net.plan(height, width)
    gc.freeze()


warnings.simplefilter("ignore")  # Pillow's, about damaged EXIF or many pixels: the version decides what is an error
np.seterr(all="ignore")  # NaN and infinity reach the logits, and are reported there
weights, size, seconds, most = sys.argv[1:]
try:
    net = ResNet50(weights)
    prepare(net)
except (ResNet50Error, OSError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print(json.dumps({"ready": True}), flush=True)
crew = Crew(net, int(size), float(seconds), int(most))
try:
    crew.serve()
finally:
    for member in crew.members:
        member.process.kill()
