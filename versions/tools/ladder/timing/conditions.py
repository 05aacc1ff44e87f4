"""The conditions under which versions are timed: the sources, the compiler and its settings, the priority."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from ladder.core.compiler import chosen, version_of
from ladder.core.errors import LadderError
from ladder.core.files import working_tree
from ladder.core.versions import Version

VARIABLES = ("RESNET50_CFLAGS", "RESNET50_ISA")  # environment variables that change what a version compiles


def sources(version: Version) -> str:
    """A digest of the version's files that are built, so of all that its speed can depend on: src and meson.build."""
    digest = hashlib.sha256()
    for path, content in working_tree(version.folder).items():
        if path == "meson.build" or path.startswith("src/"):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def compiler() -> str | None:
    """The name and version of the C compiler, $CC or cc; None if there is none."""
    return next(iter(version_of(chosen()).splitlines()), None)


def variables() -> dict[str, str]:
    """Those of VARIABLES that are set."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


@dataclass(frozen=True)
class Conditions:
    """What a time depends on apart from version, size and processor.

    `compiler`, `variables` and `priority`: as the functions of these names say; `busy`: how many busy processes were
    started beside the versions.
    """

    compiler: str | None
    variables: dict[str, str]
    priority: str | None
    busy: int


def priority(pids: Iterable[int]) -> str | None:
    """The scheduling priority of the processes: `normal` or such as `real-time 20`; None if the system has no such.

    Raises LadderError if they differ: then their times cannot be compared.
    """
    if not hasattr(os, "sched_getscheduler"):
        return None
    found = {described(os.sched_getscheduler(pid), os.sched_getparam(pid).sched_priority) for pid in pids}
    if len(found) > 1:
        raise LadderError(f"the versions cannot be compared, since their priorities differ: {', '.join(sorted(found))}")
    return found.pop()


def described(policy: int, level: int) -> str:
    """A scheduling policy and its priority in words."""
    return f"real-time {level}" if policy in (os.SCHED_FIFO, os.SCHED_RR) else "normal"
