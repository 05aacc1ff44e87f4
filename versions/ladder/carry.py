"""`carry`: take a change that was made in one version forward into all later ones."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from ladder import git, terminal
from ladder.errors import LadderError
from ladder.versions import OWN, Version, discover, find


class Conflict(LadderError):
    """An edit that cannot be carried into a version."""


@dataclass(frozen=True)
class Edit:
    """A file's content before and after; None where the file is not there."""

    path: str
    old: bytes | None
    new: bytes | None


@dataclass(frozen=True)
class Step:
    """What carrying one edit into one version comes to.

    The file as it is in HEAD, as it lies there, as it will be, and a word for what is done.
    """

    version: Version
    path: str
    committed: bytes | None
    present: bytes | None
    content: bytes | None
    word: str


class History:
    """A version's files at three points: in the working tree, in HEAD, and at the revision that the edits count from.

    `head` and `before` hold only the files that matter, and are None where the whole version was not there yet.
    """

    def __init__(self, version: Version, revision: str, paths: list[str]):
        self.version = version
        self.working = git.working_tree(version.folder)
        self.head, self.before = (
            git.committed_tree(version.folder, point, paths) if git.was_there(version.folder, point) else None
            for point in ("HEAD", revision)
        )

    def committed(self, path: str) -> bytes | None:
        """The file in HEAD."""
        return self.head.get(path) if self.head is not None else None

    def edit(self, step: Step, edit: Edit) -> Edit:
        """What the next version sees after `edit` came to `step` here. A version that is in no commit yet was, before
        the edit, what it is now, or what its predecessor was."""
        old = edit.old if step.path not in self.version.changes else self.working.get(step.path)
        for tree in (self.before, self.head):
            if tree is not None:
                old = tree.get(step.path)
                break
        return Edit(step.path, old, step.content)


class Ledger:
    """What `carry` itself has left in the working tree, so that a further edit of the same lines can follow.

    An entry is a digest of a file's place, its content in HEAD and its content after the carry: once the file is
    committed or edited again, the entry says nothing any more.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self.entries = set(json.loads(path.read_text()))
        except (OSError, ValueError):
            self.entries = set()

    @staticmethod
    def digest(place: Path, committed: bytes | None, content: bytes | None) -> str:
        """An entry."""
        return hashlib.sha256(repr((str(place), committed, content)).encode()).hexdigest()

    def save(self) -> None:
        """Write the entries down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(sorted(self.entries)))


def carry(root: Path, name: str, revision: str) -> int:
    """Carry the working tree's change of a version against `revision` forward, and print what was done.

    Raises Conflict, and writes nothing at all, if one file of one version can't take its edit.
    """
    versions = discover(root)
    version = find(versions, name)
    later = versions[versions.index(version) + 1 :]
    edits = edits_of(version, revision)
    if not edits:
        terminal.note(f"{version.name} is as it was at {revision}: there is nothing to carry")
        return 0
    if not later:
        terminal.note(f"{version.name} is the last version: there is nowhere to carry its change")
        return 0
    histories = [History(version, revision, [edit.path for edit in edits]) for version in later]
    ledger = Ledger(root / "build" / "carry.json")
    steps = plan(edits, histories, ledger)
    for step in steps:
        if step.content != step.present:
            write(step)
            ledger.entries.add(Ledger.digest(step.version.folder / step.path, step.committed, step.content))
    ledger.save()
    show(steps)
    return 0


def edits_of(version: Version, revision: str) -> list[Edit]:
    """What the working tree changes in a version against a commit, README.md and pyproject.toml left out."""
    git.check_commit(version.folder, revision)
    if not git.was_there(version.folder, revision):
        raise LadderError(f"{version.name} is not in {revision} yet: there is nothing to compare it with")
    before, after = git.committed_tree(version.folder, revision), git.working_tree(version.folder)
    paths = sorted((before.keys() | after.keys()) - set(OWN))
    edits = (Edit(path, before.get(path), after.get(path)) for path in paths)
    return [edit for edit in edits if edit.old != edit.new]


def plan(edits: list[Edit], histories: list[History], ledger: Ledger) -> list[Step]:
    """Every edit followed down the chain of versions. Raises Conflict that names every file and version in conflict."""
    steps, conflicts = [], []
    for edit in edits:
        for history in histories:
            try:
                step = carry_into(history, edit, ledger)
            except Conflict as conflict:
                conflicts.append(str(conflict))
                break
            steps.append(step)
            edit = history.edit(step, edit)
            if edit.old == edit.new:  # this version's own change has swallowed it
                break
    if conflicts:
        raise Conflict("nothing was written: " + "; ".join(conflicts))
    return steps


def carry_into(history: History, edit: Edit, ledger: Ledger) -> Step:
    """One edit of the predecessor carried into one version; raises Conflict where that can't be done."""
    version, path = history.version, edit.path
    present, committed = history.working.get(path), history.committed(path)
    carried = Ledger.digest(version.folder / path, committed, present) in ledger.entries
    if path in version.changes:
        # What an earlier carry left is merged anew from the committed file: no edit is merged with itself.
        content = merge(version, committed if carried and committed is not None else present, edit)
        word = "merged"
    elif carried or present in (committed, edit.old, edit.new):
        content = edit.new
        word = "copied"
    else:
        raise Conflict(f"{version.name}: {path} has uncommitted changes of its own, which a copy would destroy")
    if content == present:
        word = "nothing to do"
    elif content is None:
        word = "deleted"
    elif present is None:
        word = "added"
    return Step(version, path, committed, present, content, word)


def merge(version: Version, ours: bytes | None, edit: Edit) -> bytes | None:
    """The version's file with the predecessor's edit worked in, three-way; raises Conflict where that can't be done."""
    if ours in (edit.old, edit.new):
        return edit.new
    if ours is None:  # to be without this file belongs to the version's idea
        return None
    if edit.old is None:
        raise Conflict(f"{version.name}: {edit.path} is new, but this version has another file of that name")
    if edit.new is None:
        raise Conflict(f"{version.name}: {edit.path} is deleted, but this version has changed it")
    merged = git.merge(ours, edit.old, edit.new)
    if merged is None:
        raise Conflict(f"{version.name}: {edit.path}: the edit and this version's own change touch the same lines")
    return merged


def write(step: Step) -> None:
    """Do what a step says; folders that a deletion leaves empty go too."""
    path = step.version.folder / step.path
    if step.content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(step.content)
        return
    path.unlink()
    while not any((path := path.parent).iterdir()):
        path.rmdir()


def show(steps: list[Step]) -> None:
    """Print a row for each file and each thing done to it, with the numbers of the versions."""
    done: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        done.setdefault((step.path, step.word), []).append(step.version.number)
    table = terminal.table()
    for head in ("file", "done", "in versions"):
        table.add_column(head, overflow="fold")
    for (path, word), numbers in done.items():
        table.add_row(Text(path), word, " ".join(numbers))
    terminal.output().print(table)
