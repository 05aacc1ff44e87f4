"""Random edits, commits, checkouts and carries: nobody's line is lost, and what is carried is the clean merge."""

import random
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from ladder.__main__ import main

from .conftest import Tree

NAMES = ("01_one", "02_two", "03_three", "04_four")
FILES = ("same.py", "shared.py")
CHANGES = {"03_three": ["shared.py"], "04_four": ["shared.py"]}
LINES = [f"line {number}" for number in range(40)]


class Model:
    """A small ladder, and what is known of it: in which version each line was written by hand, what was carried."""

    def __init__(self, tree: Tree, seed: int):
        self.tree, self.random, self.written = tree, random.Random(seed), 0
        for before, name in pairwise((None, *NAMES)):
            shared = [*LINES, *(f"# the idea of {one}" for one in CHANGES if one <= name)]
            files = {"same.py": "\n".join(LINES) + "\n", "shared.py": "\n".join(shared) + "\n"}
            ladder = {"previous": before, "changes": CHANGES.get(name, [])} if before else {}
            tree.version(name, files, **ladder)
        self.commit()

    def path(self, name: str, file: str) -> Path:
        """A file of a version."""
        return self.tree.root / "versions" / name / file

    def text(self, name: str, file: str) -> str | None:
        """Its content, or None where it is not there."""
        path = self.path(name, file)
        return path.read_text() if path.exists() else None

    def state(self) -> dict[tuple[str, str], str | None]:
        """All contents."""
        return {(name, file): self.text(name, file) for name in NAMES for file in FILES}

    def own(self, name: str, file: str) -> set[str]:
        """The lines of a file that were written by hand in this very version."""
        return {line for line in (self.text(name, file) or "").splitlines() if line.endswith(f"by hand in {name}")}

    def edit(self, name: str, file: str) -> None:
        """Add, replace or remove a line or two of a file; rarely all of it, or bring it back."""
        path = self.path(name, file)
        text = self.text(name, file)
        if text is None or self.random.random() < 0.02:
            path.write_text("\n".join(LINES) + "\n") if text is None else path.unlink()
            return
        lines = text.splitlines()
        for _ in range(self.random.randint(1, 2)):
            self.written += 1
            at = self.random.randrange(len(lines))
            new = [f"{self.written} by hand in {name}"] if self.random.random() < 0.85 else []
            lines[at : at + self.random.randint(0, 1)] = new
        path.write_text("\n".join(lines) + "\n")

    def commit(self) -> None:
        """Commit all; from now on edits count against this, and what is in a file is what its predecessor is now."""
        self.tree.commit()
        self.head = self.state()
        self.base = {(name, file): self.head[before, file] for before, name in pairwise(NAMES) for file in FILES}

    def check_out(self, name: str, file: str) -> None:
        """Throw away what was done to a file; so what was carried into it is gone too."""
        if self.text(name, file) == self.head[name, file]:
            return
        self.tree.git("checkout", "HEAD", "--", f"versions/{name}/{file}")
        for before, later in pairwise(NAMES):
            if later == name:
                self.base[name, file] = self.head[before, file]

    def lose_the_ledger(self) -> None:
        """What `nox -s clean` does to it: the edits count from the commit again."""
        (self.tree.root / "build" / "carry.json").unlink(missing_ok=True)
        for before, name in pairwise(NAMES):
            for file in FILES:
                self.base[name, file] = self.head[before, file]

    def carry(self, number: int) -> bool:
        """Carry from a version, and check all that is promised; whether it was accepted."""
        before, own = self.state(), {(name, file): self.own(name, file) for name in NAMES for file in FILES}
        code = main(["carry", NAMES[number]], self.tree.root)
        if code == 2:
            assert self.state() == before
            return False
        assert code == 0
        for key, lines in own.items():
            assert lines <= self.own(*key), key
        for file in FILES:
            self.check_merges(before, file, number)
        return True

    def check_merges(self, before: dict[tuple[str, str], str | None], file: str, number: int) -> None:
        """Each later version's file is the merge of what it was with the predecessor's change since it was carried."""
        for previous, name in pairwise(NAMES[number:]):
            theirs, former = self.text(previous, file), self.head[previous, file]
            if theirs == former == self.base[name, file]:
                assert all(self.text(later, file) == before[later, file] for later in NAMES[NAMES.index(name) :])
                return
            assert self.text(name, file) == self.merged(before[name, file], self.base[name, file], theirs), name
            self.base[name, file] = theirs

    def merged(self, ours: str | None, base: str | None, theirs: str | None) -> str | None:
        """The three-way merge; git tells a conflict by its exit code, which fails the test."""
        if theirs == base or ours == theirs:
            return ours
        if None in (ours, base, theirs):
            return theirs if ours == base else None
        scratch = self.tree.root.parent
        for side, text in (("ours", ours), ("base", base), ("theirs", theirs)):
            (scratch / side).write_text(text or "")
        command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
        return subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("seed", range(8))
def test_no_line_that_a_human_wrote_is_lost_and_what_is_carried_is_the_clean_merge(tree: Tree, seed: int, capsys):
    model = Model(tree, seed)
    accepted = refused = 0
    for _ in range(60):
        name = model.random.choices(NAMES, [6, 0.2, 2, 2])[0]  # an edit of 02, which declares nothing, is refused
        file = "same.py" if name == NAMES[0] and model.random.random() < 0.3 else "shared.py"
        match model.random.choices(["edit", "carry", "commit", "check out", "clean"], [8, 8, 1, 1.5, 0.5])[0]:
            case "edit":
                model.edit(name, file)
            case "carry" if model.carry(model.random.choices(range(3), [8, 1, 1])[0]):
                accepted += 1
            case "carry":
                refused += 1
            case "check out":
                model.check_out(model.random.choice(NAMES), file)
            case "clean":
                model.lose_the_ledger()
            case _:
                model.commit()
        if refused > 3:  # what is in the way comes into the past
            refused = 0
            model.commit()
    assert accepted > 3
