"""The targets: every kind of input, and the processes in which to try it."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from fuzzing import arrays, changes, checkpoints, commands, operators, pictures, texts, weights
from ladder.core import environment, sanitizers
from ladder.core.errors import LadderError
from ladder.core.selection import select
from ladder.core.versions import Version

TOOLS = "tools"  # takes the place of a version's name for targets in the rest of the repository


def any_version(version: Version) -> bool:
    """True: every version takes this input."""
    return True


def with_another(file: str) -> Callable[[Version], bool]:
    """A test for versions whose source file of this name differs from their predecessor's, as `lineage` checks."""
    return lambda version: version.previous is None or f"src/resnet50/{file}" in version.changes


def has_scales(version: Version) -> bool:
    """Whether a version computes in 8-bit integers, and reads what they mean."""
    return version.int8


def has_plan(version: Version) -> bool:
    """Whether a version's operators are reached only through a plan, as from 06 on."""
    return version.plans


def has_operators(version: Version) -> bool:
    """Whether a version's operators are C that Python calls, as in 03 to 05."""
    return version.has_c() and not version.plans


@dataclass(frozen=True)
class Target:
    """A kind of input.

    `inputs`: generates it; `call`: the function in child/ that takes it; `takes`: whether a version does, None if the
    input is for another tool.
    """

    inputs: Callable[[], SearchStrategy[bytes]]
    call: str
    takes: Callable[[Version], bool] | None = None


TARGETS = {
    "pictures": Target(pictures.inputs, "commands.pictures", any_version),
    "weights": Target(weights.inputs, "version.weights", any_version),
    "changing_pictures": Target(changes.picture, "commands.changing_pictures", any_version),
    "changing_weights": Target(changes.weights, "version.changing_weights", any_version),
    "preprocess": Target(texts.preprocessings, "version.preprocessings", with_another("image.py")),
    "labels": Target(texts.labels, "version.labels", with_another("weight_folder.py")),
    "quantisation": Target(texts.quantisations, "version.quantisations", has_scales),
    "arrays": Target(arrays.npy, "version.arrays", any_version),
    "commands": Target(commands.version_commands, "commands.version", any_version),
    "operators": Target(operators.calls, "operators.calls", has_operators),
    "plans": Target(operators.programs, "operators.programs", has_plan),
    "cv_basics_pictures": Target(pictures.inputs, "tools.cv_basics_pictures"),
    "mnist_pictures": Target(pictures.inputs, "tools.mnist_pictures"),
    "mnist_digits": Target(arrays.idx, "tools.mnist_digits"),
    "mnist_weights": Target(weights.mnist_inputs, "tools.mnist_weights"),
    "checkpoints": Target(checkpoints.inputs, "tools.checkpoints"),
    "tool_commands": Target(commands.tool_commands, "commands.tools"),
}


@dataclass(frozen=True)
class Trial:
    """A target in one process: the version's interpreter, or this one's for TOOLS, and its environment variables."""

    target: str
    place: str
    python: Path
    variables: Mapping[str, str]


def trials(root: Path, targets: Iterable[str], names: Sequence[str]) -> list[Trial]:
    """The named targets in the named versions, by default all, target by target; the versions are built first.

    Versions that cannot run here are left out with a note. Raises LadderError if a name is unknown, or nothing is left.
    """
    found, chosen = [], select(root, names, int8=True)
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
    """The trial of a target in a version, whose C, if it has any, is built with the sanitizers."""
    variables = environment.variables() | {"RESNET50_CACHE": str(root / "build" / "fuzz" / "cache")}
    if not version.has_c():
        return Trial(name, version.name, environment.python(version), variables)
    variables |= sanitizers.variables()
    # A header may claim more than fits in memory, and the sanitizer's own records for 16 GB take 2 GB.
    variables["ASAN_OPTIONS"] += ":max_allocation_size_mb=2048"
    return Trial(name, version.name, environment.python(version, "sanitize"), variables)
