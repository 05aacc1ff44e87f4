"""A version's sdist and wheel, built as for an upload, and a check of their content."""

import os
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ladder.core import environment, git
from ladder.core.files import Tree, working_tree
from ladder.core.versions import Version

AUTHOR = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Distribution:
    """The built files, and the folder outside the repository into which the sdist was unpacked."""

    sdist: Path
    wheel: Path
    source: Path


def build(version: Version, scratch: Path) -> Distribution:
    """Build the version's working tree: the sdist, and from it the wheel; raises BuildError if that fails.

    Raises LadderError if there is no git: meson puts only committed files into an sdist. So the current files are
    committed in a copy of the folder, where they are also built without the rest of the repository.
    """
    copy, built = scratch / "copy", scratch / "built"
    tree = working_tree(version.folder)
    for path, content in tree.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)
    git.need("supply", "because meson packs only committed files into an sdist", copy, "init", "--quiet")
    git.run(copy, "add", "--all", "--force")
    git.run(copy, *AUTHOR, "commit", "--quiet", "--message=as it lies there")
    environment.call(version, [sys.executable, "-m", "uv", "build", "--out-dir", str(built), str(copy)])
    [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch, filter="data")
    return Distribution(sdist, wheel, scratch / sdist.name.removesuffix(".tar.gz"))


def complaints(version: Version, distribution: Distribution, place: Path) -> list[str]:
    """Everything that is missing from the built files or should not be in them, and mentions of the path `place`."""
    tree = working_tree(version.folder)
    source = files(distribution.source)
    source.pop("PKG-INFO", None)
    with zipfile.ZipFile(distribution.wheel) as archive:
        wheel = {name: archive.read(name) for name in archive.namelist()}
    found = [f"the sdist's {path} is not the folder's" for path in sorted(differing(tree, source))]
    package = {path[4:]: content for path, content in tree.items() if path.startswith("src/") and path.endswith(".py")}
    modules = {path: content for path, content in wheel.items() if path.endswith(".py")}
    found += [f"the wheel's {path} is not the folder's" for path in sorted(differing(package, modules))]
    if tree.get("LICENSE") not in wheel.values():
        found.append("the wheel lacks the folder's LICENSE")
    for kind, content in (("sdist", source), ("wheel", wheel)):
        naming = (path for path in sorted(content) if os.fsencode(place) in content[path])
        found += [f"the {kind}'s {path} names {place}" for path in naming]
    return found


def files(folder: Path) -> Tree:
    """All files below `folder`."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def differing(one: Tree, other: Tree) -> set[str]:
    """The files that differ or are in only one of the two."""
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
