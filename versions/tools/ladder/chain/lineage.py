"""`lineage`: checks that every version is its predecessor plus the changes that it declares, and nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from ladder.core import terminal
from ladder.core.files import Tree, working_tree
from ladder.core.git import hunks
from ladder.core.versions import OWN, Version, discover, predecessor


@dataclass(frozen=True)
class Size:
    """How many lines a difference adds and removes, as a diff counts them."""

    added: int
    removed: int


@dataclass(frozen=True)
class Step:
    """The step from one version to the next: the size of the difference, and its faults.

    `parts`: the sizes by folder and by whether both versions have the file: `("src", True)`, `("tests", False)`.
    """

    version: Version
    files: int
    size: Size
    parts: dict[tuple[str, bool], Size]
    complaints: list[str]


def lineage(root: Path) -> int:
    """Print the steps of the ladder with their sizes; the exit code is 1 if a promise is broken."""
    steps = check(discover(root))
    table = terminal.table("each version against its predecessor, without README.md and pyproject.toml")
    for head, side in (("version", "left"), ("files", "right"), ("lines", "right"), ("", "left"), ("idea", "left")):
        table.add_column(head, justify=side)  # type: ignore[arg-type]
    for step in steps:
        state = Text("broken", style="red") if step.complaints else Text("kept", style="green")
        size = f"+{step.size.added} -{step.size.removed}"
        table.add_row(step.version.name, str(step.files), size, state, Text(step.version.idea))
    terminal.output().print(table)
    complaints = [complaint for step in steps for complaint in step.complaints]
    for complaint in complaints:
        terminal.note(f"ladder: {complaint}")
    return 1 if complaints else 0


def check(versions: list[Version]) -> list[Step]:
    """Compare each version with its predecessor, and the first with nothing."""
    names = [version.name for version in versions]
    steps: list[Step] = []
    trees = {version.name: working_tree(version.folder) for version in versions}
    for version in versions:
        before, tree = predecessor(versions, version), trees[version.name]
        tree_before = trees[before.name] if before else Tree()
        changed = changes(tree_before, tree) if before else set[str]()
        complaints = own_complaints(version, steps[-1].version if steps else None, before)
        complaints += mentions(version, tree, names)
        complaints += file_complaints(version, changed, tree_before.keys() | tree.keys())
        size, sizes = measure(tree_before, tree, changed), parts(tree_before, tree, changed)
        steps.append(Step(version, len(changed), size, sizes, complaints))
    return steps


def own_complaints(version: Version, last: Version | None, before: Version | None) -> list[str]:
    """The faults in the version's own name and its declared predecessor; `last`: the version with the number below."""
    complaints = []
    distribution = "resnet50-" + version.name.replace("_", "-")
    if version.distribution != distribution:
        complaints.append(f"{version.name}: its distribution is called {version.distribution}, not {distribution}")
    if last and last.number == version.number:
        complaints.append(f"{version.name}: {last.name} has the same number")
    expected = before.name if before else None
    if version.previous != expected:
        wanted = f'previous = "{expected}"' if expected else "no previous, since it is the first"
        complaints.append(f"{version.name}: [tool.ladder] should have {wanted}")
    return complaints


def changes(before: Tree, after: Tree) -> set[str]:
    """The files that were changed, added or removed, except those of which each version has its own."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} - set(OWN)


def file_complaints(version: Version, changed: set[str], existing: set[str]) -> list[str]:
    """A sentence for each file that differs but is not declared, and for each that is declared but does not differ."""
    complaints = [
        f"{version.name}: {path} differs from the predecessor's and is not declared in changes"
        for path in sorted(changed - version.changes)
    ]
    for path in sorted(version.changes - changed):
        what = "is the same as the predecessor's" if path in existing else "is in neither folder"
        complaints.append(f"{version.name}: {path} is declared in changes, but {what}")
    return complaints


def mentions(version: Version, tree: Tree, names: list[str]) -> list[str]:
    """A sentence for each file that names a version, since it could not stay the same in the next version."""
    return [
        f"{version.name}: {path} mentions {name}, which only README.md and pyproject.toml may"
        for path, content in tree.items()
        for name in names
        if path not in OWN and name.encode() in content
    ]


def measure(before: Tree, after: Tree, changed: Iterable[str]) -> Size:
    """The size of the difference in the changed files."""
    found = [hunk for path in changed for hunk in hunks(before.get(path, b""), after.get(path, b""))]
    return Size(sum(len(hunk.new) for hunk in found), sum(len(hunk.old) for hunk in found))


def parts(before: Tree, after: Tree, changed: set[str]) -> dict[tuple[str, bool], Size]:
    """The sizes in src and tests, each in the files that both versions have, and in those that are new or gone."""
    both = before.keys() & after.keys()
    return {
        (folder, shared): measure(
            before, after, {path for path in changed if path.startswith(f"{folder}/") and (path in both) == shared}
        )
        for folder in ("src", "tests")
        for shared in (True, False)
    }
