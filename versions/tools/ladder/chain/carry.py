"""`carry`: carries a change made in one version forward into all later ones."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.text import Text

from ladder.chain.ledger import Ledger
from ladder.chain.merging import Conflict, Edit, merge
from ladder.chain.transaction import STAGING, Write, commit, obstacle
from ladder.core import files, git, terminal
from ladder.core.errors import LadderError
from ladder.core.versions import OWN, Version, discover, find, predecessor


@dataclass(frozen=True)
class Step:
    """The result of carrying one edit into one version.

    The file in HEAD, as it is now, and as it will be; the predecessor's edit; a word for the action.
    """

    version: Version
    path: str
    committed: bytes | None
    present: bytes | None
    content: bytes | None
    edit: Edit
    word: str

    @property
    def place(self) -> str:
        """The file's path below `versions`."""
        return f"{self.version.name}/{self.path}"


class History:
    """A version's files at three points: in the working tree, in HEAD, and at the revision that the edits count from.

    `head` and `before` are None if the version did not exist yet; of later versions they hold only `paths`.
    """

    def __init__(self, version: Version, revision: str, paths: list[str] | tuple[str, ...] = (".",)):
        self.version = version
        self.working = files.working_tree(version.folder)
        self.head, self.before = (
            git.committed_tree(version.folder, point, paths) if git.was_there(version.folder, point) else None
            for point in ("HEAD", revision)
        )

    def committed(self, path: str) -> bytes | None:
        """The file's content in HEAD."""
        return self.head.get(path) if self.head is not None else None

    def former(self, path: str) -> bytes | None:
        """The file at the revision; for a version that did not exist yet, as in HEAD or as it is now."""
        tree = next(tree for tree in (self.before, self.head, self.working) if tree is not None)
        return tree.get(path)


def carry(root: Path, name: str, revision: str) -> int:
    """Carry the working tree's change of a version against `revision` forward, and print the actions.

    Raises Conflict, and writes nothing at all, if an edit conflicts with any file of any version. Waits for another
    carry to end.
    """
    versions = discover(root)
    version = find(versions, name)
    later = descendants(versions, version)
    git.need("carry", "because an edit is measured against the last commit", root, "rev-parse", "--git-dir")
    git.check_commit(version.folder, revision)
    with alone(root / "build" / "carry.lock"):
        source = History(version, revision)
        if source.before is None:
            raise LadderError(f"{version.name} is not in {revision} yet: there is nothing to compare it with")
        ledger = Ledger(root / "build" / "carry.json")
        children = [one for one in later if predecessor(versions, one) == version]
        paths = sorted(edited(source) | {path for one in children for path in ledger.paths(one.name)})
        histories = [source, *(History(one, revision, paths) for one in later if paths)]
        steps = plan(versions, histories, paths, ledger)
        if steps:
            write(root, version, steps, ledger)
            show(steps)
        elif not edited(source):
            terminal.note(f"{version.name} has not changed since {revision}: there is nothing to carry")
        else:
            terminal.note(f"{version.name} is the last version: there is nowhere to carry its change")
    return 0


def descendants(versions: list[Version], version: Version) -> list[Version]:
    """The later versions that are copies of `version`, or of such copies."""
    found = [version]
    for one in versions[versions.index(version) + 1 :]:
        if predecessor(versions, one) in found:
            found.append(one)
    return found[1:]


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from carrying meanwhile; prints a note if it has to wait for one."""
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        terminal.note("another carry is running: waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def edited(source: History) -> set[str]:
    """The files that differ from the revision, except README.md and pyproject.toml."""
    before = source.before or {}
    return {
        path for path in before.keys() | source.working.keys() if before.get(path) != source.working.get(path)
    } - set(OWN)


def plan(versions: list[Version], histories: list[History], paths: list[str], ledger: Ledger) -> list[Step]:
    """Every edit, followed from version to version. Raises Conflict, naming all files and versions in conflict."""
    steps: list[Step] = []
    conflicts = []
    for path in paths:
        try:
            steps += follow(versions, histories, path, ledger)
        except Conflict as conflict:
            conflicts.append(str(conflict))
    conflicts += obstacles(steps, histories[0].version)
    if conflicts:
        raise Conflict("nothing was written: " + "; ".join(conflicts))
    return steps


def follow(versions: list[Version], histories: list[History], path: str, ledger: Ledger) -> Iterator[Step]:
    """One file's edit, from each version to its copies. It ends where a version's own change has replaced the lines."""
    edits = {histories[0].version: Edit(histories[0].former(path), histories[0].working.get(path))}
    for history in histories[1:]:
        edit = edits.get(predecessor(versions, history.version) or history.version)
        if edit is None:
            continue
        try:
            step = carry_into(history, path, edit, ledger)
        except Conflict as conflict:
            raise Conflict(f"{history.version.name}: {path} {conflict}") from None
        if step is not None:
            yield step
            edits[history.version] = Edit(history.former(path), step.content)


def carry_into(history: History, path: str, edit: Edit, ledger: Ledger) -> Step | None:
    """The edit of the predecessor's file, from the revision to now, carried into one version.

    None if there is no edit. Raises Conflict, with the end of a sentence, if it can't be carried.
    """
    present, committed = history.working.get(path), history.committed(path)
    declared = path in history.version.changes
    try:
        base = ledger.base(f"{history.version.name}/{path}", committed, present, edit.old)
        if edit.old == base == edit.new:
            return None
        content, word = merge(present, base, edit.new), "merged" if declared else "copied"
    except Conflict:
        if declared:
            raise
        content = present
    if not declared and content != edit.new:
        raise Conflict("has changes of its own, which a copy would overwrite")
    if content == present:
        word = "nothing to do"
    elif content is None:
        word = "deleted"
    elif present is None:
        word = "added"
    return Step(history.version, path, committed, present, content, edit, word)


def obstacles(steps: list[Step], source: Version) -> list[str]:
    """A sentence for each file that cannot be written."""
    changed = [step for step in steps if step.content != step.present]
    gone = {step.version.folder / step.path for step in changed if step.content is None}
    found = [
        f"{source.name}: {path} is a symbolic link, which is not carried"
        for path in sorted({step.path for step in changed})
        if (source.folder / path).is_symlink()
    ]
    for step in changed:
        if reason := obstacle(step.version.folder, step.path, gone):
            found.append(f"{step.version.name}: {step.path} {reason}")
    return found


def write(root: Path, source: Version, steps: list[Step], ledger: Ledger) -> None:
    """Perform the steps and record them; if anything fails, everything stays as it was."""
    for step in steps:
        ledger.enter(step.place, step.committed, step.content, step.edit)
    writes = [
        Write(step.version.folder / step.path, step.present, step.content, source.folder / step.path)
        for step in steps
        if step.content != step.present
    ]
    for left in (root / "versions").glob(f"{STAGING}*"):  # left by a carry that was killed: this one holds the lock
        shutil.rmtree(left)
    with ExitStack() as undone:
        ledger.save()  # first, since an entry for something that was never written is harmless
        undone.callback(ledger.restore)
        commit(writes, root / "versions")
        undone.pop_all()


def show(steps: list[Step]) -> None:
    """Print a row for each file and action, with the numbers of the versions."""
    done: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        done.setdefault((step.path, step.word), []).append(step.version.number)
    table = terminal.table()
    for head in ("file", "done", "in versions"):
        table.add_column(head, overflow="fold")
    for (path, word), numbers in done.items():
        table.add_row(Text(path), word, " ".join(numbers))
    terminal.output().print(table)
