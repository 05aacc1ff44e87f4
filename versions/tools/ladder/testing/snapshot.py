"""The state of everything that a version's tests can exercise: its folder and its installed package."""

import hashlib
import json
import os
import sys
import tempfile
import tomllib
from functools import cache, cached_property
from pathlib import Path

from ladder.core import files
from ladder.core.versions import Version

ALWAYS = ("conftest", "__init__", "pytest", "setup", "sitecustomize", "tox", "usercustomize")  # always looked for
C_FILES = (".c", ".h")
STARTER = "ladder_trace.pth"  # the runner's own, which does not count: the hook that it starts only watches


class Snapshot:
    """A version as its tests see it, at one moment.

    Names are paths inside the version's folder, or `installed/...` for files of the package in its environment.
    """

    def __init__(self, version: Version, site_packages: Path):
        self.folder, self.package = version.folder.resolve(), (site_packages / "resnet50").resolve()
        self.roots, self.site_packages = (self.folder, self.package), site_packages
        self.names = files.names(self.folder) + sorted(
            f"installed/{path.relative_to(self.package).as_posix()}"
            for path in self.package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        )
        self.contents = {name: self.read(name) for name in self.names}  # now: what is edited later counts as changed
        self.digest = cache(self._digest)

    def name(self, path: Path) -> str | None:
        """The name of a file or folder; None if it is outside the version."""
        if path.is_relative_to(self.package):
            return (Path("installed") / path.relative_to(self.package)).as_posix()
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else None

    def place(self, name: str) -> Path:
        """The path of the file or folder with this name."""
        inside = name.removeprefix("installed/")
        return self.folder / name if inside == name and name != "installed" else self.package / inside

    def below(self, folder: str) -> list[str]:
        """The files in a folder and in its subfolders."""
        return [name for name in self.names if folder == "." or name.startswith(f"{folder}/")]

    def state(self, things: set[str]) -> dict[str, str]:
        """Each thing with its digest."""
        return {thing: self.digest(thing) for thing in sorted(things)}

    def _digest(self, thing: str) -> str:
        """A digest of one thing that can be exercised.

        `file NAME`: a file's content. `list NAME`: the names in a folder. `tree NAME`: the contents of all files below
        a folder. `import NAME`: the files that a module's name could mean, or a library's version. `c`: everything that
        the extension module is built from. `project`: everything that Python and pytest run or read at each start.
        `everything`: all files.
        """
        kind, _, name = thing.partition(" ")
        match kind:
            case "file":
                return self.content(name)
            case "list":
                return digest(self.entries(name))
            case "tree":
                return digest([(inside, self.content(inside)) for inside in self.below(name)])
            case "import":
                return digest([self.candidates(name), self.libraries.get(name)])
            case "c":
                made = [name for name in self.below(".") if name.endswith(C_FILES) or name.endswith("meson.build")]
                return digest(
                    [self.project("build-system", "meson-python"), [(name, self.content(name)) for name in made]]
                )
            case "project":
                return digest([self.project("pytest"), self.unasked(), self.starters()])
            case "everything":
                return digest([(name, self.content(name)) for name in self.names if not name.endswith(".so")])
        raise AssertionError(f"no such thing: {thing}")

    def content(self, name: str) -> str:
        """A digest of a file's content at the time of the snapshot, or "absent"."""
        return self.contents.get(name) or self.read(name)

    def read(self, name: str) -> str:
        """A digest of a file's content now, or "absent"."""
        try:
            return hashlib.sha256(self.place(name).read_bytes()).hexdigest()
        except OSError:
            return "absent"

    def entries(self, folder: str) -> list[str]:
        """The names in a folder."""
        depth = 0 if folder == "." else folder.count("/") + 1
        return sorted({name.split("/")[depth] for name in self.below(folder)})

    def candidates(self, module: str) -> list[str]:
        """The files and folders of the tests and the package that a module of this name may be loaded from."""
        found = set()
        for name in self.names:
            if name.startswith(("tests/", "installed/")) or "/" not in name:
                parts = name.split("/")
                found |= {"/".join(parts[: i + 1]) for i, part in enumerate(parts) if part.split(".")[0] == module}
        return sorted(found)

    def unasked(self) -> list[str]:
        """The tests' files that pytest and Python always look for, or would find before the standard library."""
        own = [name for name in self.names if name.startswith("tests/") or "/" not in name]
        return [name for name in own if (stem := Path(name).stem) in ALWAYS or stem in sys.stdlib_module_names]

    def project(self, *names: str) -> object:
        """Tables of pyproject.toml, at the top level or below [tool]."""
        document = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))
        return [document.get(name, document.get("tool", {}).get(name)) for name in names]

    @cached_property
    def libraries(self) -> dict[str, str]:
        """The modules and packages in the environment, each with the name and version of its distribution."""
        found = {}
        for record in sorted(self.site_packages.glob("*.dist-info/RECORD")):
            for line in record.read_text(encoding="utf-8").splitlines():
                found[line.partition(",")[0].partition("/")[0].partition(".")[0]] = record.parent.name
        return {name: library for name, library in found.items() if not library.startswith("resnet50")}

    def starters(self) -> list[tuple[str, str]]:
        """The files whose lines Python runs at each start, and those that list plugins for pytest."""
        found = [*self.site_packages.glob("*.pth"), *self.site_packages.glob("*.dist-info/entry_points.txt")]
        texts = [(path, path.read_text(encoding="utf-8")) for path in sorted(found)]
        wanted = [(path, text) for path, text in texts if path.suffix == ".pth" or "[pytest11]" in text]
        return [(f"{path.parent.name}/{path.name}", text) for path, text in wanted if path.name != STARTER]


def digest(value: object) -> str:
    """A digest of a value that JSON can represent."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step, even if another process writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
