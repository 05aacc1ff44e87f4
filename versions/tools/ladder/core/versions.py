"""The versions of the ladder: the folders versions/NN_name and their declarations in [tool.ladder]."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ladder.core import processor
from ladder.core.errors import LadderError

ROOT = Path(__file__).resolve().parents[4]
NAME = re.compile(r"\d\d_[a-z][a-z0-9]*(_[a-z0-9]+)*")
C_PROJECT = re.compile(r"^project\([^:)]*,[^:)]*'c'", re.MULTILINE)
KEYS = {
    "previous": str,
    "idea": str,
    "requires": list,
    "requires_any": list,
    "changes": list,
    "read": list,
    "slow": bool,
    "plans": bool,
    "generates": bool,
    "threads": bool,
    "fuses": bool,
    "int8": bool,
    "tolerance": float,
}
OWN = ("README.md", "pyproject.toml")  # each version has its own, so they are never compared or carried


@dataclass(frozen=True)
class Version:
    """One folder of the ladder.

    `requires`: the features that a processor must have; of `requires_any`, all of one of these lists, too.
    `tolerance`: how far the logits may lie from a float64 reference, relative to its largest logit. The default is
    the design's promise for float32; Winograd and int8 declare their own. `plans`: its operators in C run only through
    a plan; `generates`: it generates and compiles C for each network and size; `threads`: it obeys RESNET50_THREADS;
    `fuses`: `on_layer` is told only of the last of the layers that it does in one step; `int8`: it computes in 8-bit
    integers, with the scales of a set's quantisation.json, and its logits are ONNX Runtime's to the last bit. `read`:
    the lines that hold the idea, see chain/passages.py.
    """

    folder: Path
    distribution: str
    idea: str
    previous: str | None = None
    requires: tuple[str, ...] = ()
    requires_any: tuple[tuple[str, ...], ...] = ()
    changes: frozenset[str] = frozenset()
    read: tuple[str, ...] = ()
    slow: bool = False
    plans: bool = False
    generates: bool = False
    threads: bool = False
    fuses: bool = False
    int8: bool = False
    tolerance: float = 2e-5

    @property
    def name(self) -> str:
        """The folder's name, such as `03_naive_c`."""
        return self.folder.name

    @property
    def number(self) -> str:
        """The two digits at the start of the name."""
        return self.name[:2]

    def has_c(self) -> bool:
        """Whether its meson.build lists C among the languages of `project(...)`, before the first keyword."""
        path = self.folder / "meson.build"
        return path.exists() and C_PROJECT.search(path.read_text(encoding="utf-8")) is not None


def discover(root: Path = ROOT) -> list[Version]:
    """All versions in `root`/versions, in the order of their numbers.

    Raises LadderError if there is none, or if a folder's pyproject.toml is missing or wrong.
    """
    folders = sorted(path for path in (root / "versions").glob("[0-9][0-9]_*") if path.is_dir())
    if not folders:
        raise LadderError(f"{root / 'versions'} holds no version: no folder is named like 01_pure_python")
    return [read(folder) for folder in folders]


def read(folder: Path) -> Version:
    """The version in `folder`, with its declarations checked. Raises LadderError, naming the file and the mistake."""
    path = folder / "pyproject.toml"
    if not NAME.fullmatch(folder.name):
        raise LadderError(f"{folder}: a version is named NN_name, in lower-case letters, digits and underscores")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LadderError(f"{path} cannot be read: {error}") from None
    project, ladder = document.get("project", {}), document.get("tool", {}).get("ladder")
    if not isinstance(ladder, dict):
        raise LadderError(f"{path} has no table [tool.ladder]")
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        raise LadderError(f"{path} has no [project] name")
    for complaint in complaints(ladder):
        raise LadderError(f"{path}: [tool.ladder] {complaint}")
    lists = {
        "requires": tuple(ladder.get("requires", ())),
        "requires_any": tuple(map(tuple, ladder.get("requires_any", ()))),
        "changes": frozenset(ladder.get("changes", ())),
        "read": tuple(ladder.get("read", ())),
    }
    return Version(folder=folder, distribution=project["name"], **{**ladder, **lists})


def complaints(ladder: dict[str, Any]) -> Iterable[str]:
    """The mistakes in a [tool.ladder] table, each as the end of a sentence."""
    for key, value in ladder.items():
        if key not in KEYS:
            yield f"has no key {key!r}; it knows {', '.join(KEYS)}"
        elif type(value) is not KEYS[key]:
            yield f"{key} must be of type {KEYS[key].__name__}, not {type(value).__name__}"
        elif key == "requires_any":
            if not all(one and strings(one) for one in ladder[key]):
                yield f"{key} must hold only lists of strings"
        elif isinstance(value, list) and not strings(value):
            yield f"{key} must hold only strings"
    if not ladder.get("idea"):
        yield "must say the version's idea"
    if not ladder.get("tolerance", 1.0) > 0:
        yield "tolerance must be above zero"
    for name in ladder.get("changes", ()):
        path = PurePosixPath(name)
        if name != str(path) or path.is_absolute() or ".." in path.parts or "\\" in name:
            yield f"changes: {name!r} is not a path inside the folder, written with forward slashes"
        if name in OWN:
            yield f"changes: {name} is every version's own and need not be declared"


def strings(value: object) -> bool:
    """Whether it is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def find(versions: list[Version], name: str) -> Version:
    """The version with this full name or number; raises LadderError if there is none."""
    for version in versions:
        if version.name == name or version.number == name.zfill(2):
            return version
    raise LadderError(f"there is no version {name!r}; there are {', '.join(version.name for version in versions)}")


def predecessor(versions: list[Version], version: Version) -> Version | None:
    """The version that `version` is a copy of: the earlier one that it declares, else the one before it, if any."""
    earlier = versions[: versions.index(version)]
    for one in earlier:
        if one.name == version.previous:
            return one
    return earlier[-1] if earlier else None


def obstacle(version: Version, features: frozenset[str] | None = None) -> str | None:
    """Why `version` can't run on a processor with these features (default: this one), as a sentence; None if it can."""
    features = processor.features() if features is None else features
    choices = [(*version.requires, *more) for more in version.requires_any or [()]]
    missing = [[name for name in choice if name not in features] for choice in choices]
    if [] in missing:
        return None
    # Of another architecture's features a processor lacks all, which tells nothing unless it is so with every choice.
    telling = [lacks for lacks, choice in zip(missing, choices) if len(lacks) < len(choice)] or missing
    return f"{version.name} is skipped: this processor lacks {' or '.join(map(', '.join, telling))}"
