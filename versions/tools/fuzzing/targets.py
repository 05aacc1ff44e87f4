"""What is tried: every kind of input, and in which processes."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from fuzzing import arrays, changes, commands, operators, pictures, texts, weights
from ladder.core import environment, sanitizers, terminal
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover, find, obstacle

TOOLS = "tools"  # what stands in a version's place where the rest of the repository is tried


def any_version(version: Version) -> bool:
    """Whatever it is written in, the input goes through all of it."""
    return True


def with_another(file: str) -> Callable[[Version], bool]:
    """Those that do not have this source file from their predecessor, byte for byte, as `lineage` checks."""
    return lambda version: version.previous is None or f"src/resnet50/{file}" in version.changes


def has_plan(version: Version) -> bool:
    """From 06 on: the operators are only reached through a plan."""
    return (version.folder / "src/resnet50/plan.py").exists()


def has_operators(version: Version) -> bool:
    """03 to 05: the operators are C, and are called from Python."""
    return version.has_c() and not has_plan(version)


@dataclass(frozen=True)
class Target:
    """A kind of input: how it is made, what in child/ takes it, and which versions do; None if it is no version's."""

    inputs: Callable[[], SearchStrategy[bytes]]
    call: str
    takes: Callable[[Version], bool] | None = None


TARGETS = {
    "pictures": Target(pictures.inputs, "commands.pictures", any_version),
    "weights": Target(weights.inputs, "version.weights", any_version),
    "changing_pictures": Target(changes.picture, "commands.changing_pictures", any_version),
    "changing_weights": Target(changes.weights, "version.changing_weights", any_version),
    "preprocess": Target(texts.preprocessings, "version.preprocessings", with_another("image.py")),
    "labels": Target(texts.labels, "version.labels", with_another("weights.py")),
    "arrays": Target(arrays.npy, "version.arrays", any_version),
    "commands": Target(commands.version_commands, "commands.version", any_version),
    "operators": Target(operators.calls, "operators.calls", has_operators),
    "plans": Target(operators.programs, "operators.programs", has_plan),
    "cv_basics_pictures": Target(pictures.inputs, "tools.cv_basics_pictures"),
    "mnist_pictures": Target(pictures.inputs, "tools.mnist_pictures"),
    "mnist_digits": Target(arrays.idx, "tools.mnist_digits"),
    "mnist_weights": Target(weights.mnist_inputs, "tools.mnist_weights"),
    "tool_commands": Target(commands.tool_commands, "commands.tools"),
}


@dataclass(frozen=True)
class Trial:
    """A target in one process: the version's interpreter, or this one's for TOOLS, and its environment variables."""

    target: str
    place: str
    python: Path
    variables: Mapping[str, str]


def trials(root: Path, targets: Iterable[str], names: Iterable[str]) -> list[Trial]:
    """The named targets in the named versions, by default all, target by target; the versions are built first.

    Those that cannot run here are left out with a sentence. Raises LadderError if a name is unknown, or nothing left.
    """
    versions = discover(root)
    chosen = [find(versions, name) for name in names] or versions
    for reason in filter(None, map(obstacle, chosen)):
        terminal.note(reason)
    chosen = [version for version in chosen if not obstacle(version)]
    found = []
    for name in targets:
        target = TARGETS[name]
        if target.takes is None:
            found.append(Trial(name, TOOLS, Path(sys.executable), os.environ))
        else:
            found += [in_version(name, version, root) for version in chosen if target.takes(version)]
    if not found:
        raise LadderError("there is nothing to try: these versions do not take these inputs")
    return found


def in_version(name: str, version: Version, root: Path) -> Trial:
    """The trial in a version: its C with the sanitizers, if it has C."""
    variables = environment.variables() | {"RESNET50_CACHE": str(root / "build" / "fuzz" / "cache")}
    if not version.has_c():
        return Trial(name, version.name, environment.python(version), variables)
    variables |= sanitizers.variables()
    # What a header claims may be more than there is memory for, and the sanitizer's notes on 16 GB take 2 themselves.
    variables["ASAN_OPTIONS"] += ":max_allocation_size_mb=2048"
    return Trial(name, version.name, environment.python(version, "sanitize"), variables)
