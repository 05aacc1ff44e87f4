"""The difference between two versions as data: changed files, paired lines, changed words."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ladder.chain.lineage import changes
from ladder.core.files import Tree
from ladder.core.git import Hunk, hunks
from ladder.core.versions import OWN

CONTEXT = 3  # unchanged lines shown before and after a change
LAST = ("meson.build", "pyproject.toml", "README.md")  # the files that a reader wants to see last, in this order
WORD = re.compile(r"\w+|\s+|[^\w\s]")
LARGEST = 40_000  # old times new lines of a hunk whose lines are paired: takes a fraction of a second

Spans = tuple[tuple[int, int], ...]  # from and to, in characters of a line


@dataclass(frozen=True)
class Row:
    """A line of the old file beside one of the new file, by their indices; None if there is no counterpart.

    `changed`: False if both are the same. `old_words` and `new_words`: the parts that differ if the old line became the
    new one; empty if the whole line is new or gone.
    """

    old: int | None
    new: int | None
    changed: bool = True
    old_words: Spans = ()
    new_words: Spans = ()


@dataclass(frozen=True)
class Change:
    """A file that differs; `old` or `new` is None if only the other version has it.

    Both names exist and differ if a file was rewritten in another language: conv2d.py, conv2d.c.
    """

    old: str | None
    new: str | None
    before: list[str]
    after: list[str]
    hunks: list[Hunk]

    @property
    def path(self) -> str:
        """The file's name, the new one if it has two."""
        return self.new or self.old or ""

    @property
    def title(self) -> str:
        """The file's name, or both names: `ops/conv2d.py -> conv2d.c`."""
        return f"{self.old} -> {PurePosixPath(self.path).name}" if self.rewritten else self.path

    @property
    def state(self) -> str:
        """A word for what happened to the file; empty for a plain change."""
        return "rewritten" if self.rewritten else "removed" if self.new is None else "new" if self.old is None else ""

    @property
    def rewritten(self) -> bool:
        """Whether the file was rewritten under the same name in another language."""
        return None not in (self.old, self.new) and self.old != self.new

    @property
    def aside(self) -> bool:
        """Whether it belongs to the version, but not to what it does: its tests, README and metadata."""
        return self.path.startswith("tests/") or self.path in OWN

    @property
    def added(self) -> int:
        """The number of lines added."""
        return sum(len(hunk.new) for hunk in self.hunks)

    @property
    def removed(self) -> int:
        """The number of lines removed."""
        return sum(len(hunk.old) for hunk in self.hunks)

    def rows(self) -> list[Row]:
        """All rows of the file, old and new side by side."""
        rows: list[Row] = []
        old = new = 0
        height, width = len(self.before), len(self.after)
        for hunk in [*self.hunks, Hunk(range(height, height), range(width, width))]:
            rows += [Row(i, j, changed=False) for i, j in zip(range(old, hunk.old.start), range(new, hunk.new.start))]
            rows += opposite(hunk) if self.rewritten else beside(self.before, self.after, hunk)
            old, new = hunk.old.stop, hunk.new.stop
        return rows


def compare(before: Tree, after: Tree) -> list[Change]:
    """All files that differ, in the order in which a reader wants them: operators, other source, tests, the rest."""
    changed = changes(before, after) | {path for path in OWN if before.get(path) != after.get(path)}
    twins = rewritten(changed - before.keys(), changed - after.keys())
    found = []
    for path in changed - set(twins.values()):
        old, new = twins.get(path, path if path in before else None), path if path in after else None
        left, right = before.get(old or "", b""), after.get(new or "", b"")
        lines, others = split(left), split(right)
        apart = [Hunk(range(len(lines)), range(len(others)))]
        found.append(Change(old, new, lines, others, apart if path in twins else hunks(left, right)))
    return sorted(found, key=lambda change: order(change.path))


def rewritten(new: set[str], removed: set[str]) -> dict[str, str]:
    """The new files that each replace the only removed file of the same name with another suffix: new -> old."""
    stems = Counter(stem(path) for path in new) + Counter(stem(path) for path in removed)
    gone = {stem(path): path for path in removed}
    return {path: gone[stem(path)] for path in new if stem(path) in gone and stems[stem(path)] == 2}


def stem(path: str) -> str:
    """A path without its suffix."""
    return str(PurePosixPath(path).with_suffix(""))


def order(path: str) -> tuple[int, str]:
    """The sort key of a file in the difference."""
    if path in LAST:
        return 4 + LAST.index(path), path
    starts = ("src/resnet50/ops/", "src/", "tests/")
    rank = next((i for i, start in enumerate(starts) if path.startswith(start)), 3)
    return rank, path


def split(content: bytes) -> list[str]:
    """The lines of a text as git counts them, without their ends."""
    lines = content.decode(errors="replace").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def opposite(hunk: Hunk) -> list[Row]:
    """Pair the lines of both sides from the top, whatever their content."""
    height = max(len(hunk.old), len(hunk.new))
    return [Row(at(hunk.old, i), at(hunk.new, i)) for i in range(height)]


def at(lines: range, index: int) -> int | None:
    """The element at an index, or None past the end."""
    return lines[index] if index < len(lines) else None


def beside(before: Sequence[str], after: Sequence[str], hunk: Hunk) -> list[Row]:
    """The rows of a hunk: a line and the one that it became are side by side, with the words that changed."""
    rows: list[Row] = []
    old, new = hunk.old.start, hunk.new.start
    for i, j in [*pairs(before, after, hunk), (hunk.old.stop, hunk.new.stop)]:
        rows += opposite(Hunk(range(old, i), range(new, j)))
        if i < hunk.old.stop:
            rows.append(Row(i, j, True, *words(before[i], after[j])))
        old, new = i + 1, j + 1
    return rows


def pairs(before: Sequence[str], after: Sequence[str], hunk: Hunk) -> list[tuple[int, int]]:
    """The pairs of an old line and the new line that it became, in order, with the most common words in total.

    Two lines can be a pair if they share half of their words. Dynamic programming, as in Needleman and Wunsch, "A
    general method applicable to the search for similarities in the amino acid sequence of two proteins" (1970).
    """
    height, width = len(hunk.old), len(hunk.new)
    if not 0 < height * width <= LARGEST:
        return []
    olds, news = [vocabulary(before[i]) for i in hunk.old], [vocabulary(after[j]) for j in hunk.new]
    best = [[0] * (width + 1) for _ in range(height + 1)]  # common words from line i and line j on
    common = [[shared(old, new) for new in news] for old in olds]
    for i in reversed(range(height)):
        for j in reversed(range(width)):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], common[i][j] + best[i + 1][j + 1])
    found, i, j = [], 0, 0
    while i < height and j < width:
        if common[i][j] and best[i][j] == common[i][j] + best[i + 1][j + 1]:
            found.append((hunk.old[i], hunk.new[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def vocabulary(line: str) -> Counter[str]:
    """The words of a line, counted, without blanks and punctuation."""
    return Counter(re.findall(r"\w+", line))


def shared(old: Counter[str], new: Counter[str]) -> int:
    """How many words two lines have in common; 0 if less than half of them."""
    common = (old & new).total()
    return common if 4 * common >= old.total() + new.total() else 0


def words(old: str, new: str) -> tuple[Spans, Spans]:
    """The parts of two lines that differ, in whole words; parts separated only by blanks are joined."""
    before, after = WORD.findall(old), WORD.findall(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    changed = [block[1:] for block in matcher.get_opcodes() if block[0] != "equal"]
    return spans(before, [block[:2] for block in changed]), spans(after, [block[2:] for block in changed])


def spans(words: list[str], blocks: list[tuple[int, int]]) -> Spans:
    """The character spans of runs of words in their line."""
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    line = "".join(words)
    found: list[tuple[int, int]] = []
    for first, last in blocks:
        start, end = starts[first], starts[last]
        if start == end:
            continue
        if found and not line[found[-1][1] : start].strip():
            start = found.pop()[0]
        found.append((start, end))
    return tuple(found)


def blocks(rows: list[Row], seen: Collection[int] = ()) -> Iterator[tuple[str, list[Row]]]:
    """The rows in runs: "changed"; "same", unchanged but near a change; "folded", unchanged and far from any change.

    Those whose indices are in `seen`, because they have been shown already, are in runs of their own: "seen".
    """
    changed = {index for index, row in enumerate(rows) if row.changed and index not in seen}
    near = {index + offset for index in changed for offset in range(-CONTEXT, CONTEXT + 1)}
    start = 0
    while start < len(rows):
        kind = sort(rows, near, seen, start)
        stop = start
        while stop < len(rows) and sort(rows, near, seen, stop) == kind:
            stop += 1
        lone = kind == "folded" and stop == start + 1  # a line that stands for it would be as long
        yield "same" if lone else kind, rows[start:stop]
        start = stop


def sort(rows: list[Row], near: set[int], seen: Collection[int], index: int) -> str:
    """The kind of run that a row belongs to."""
    if index in seen:
        return "seen"
    return "changed" if rows[index].changed else "same" if index in near else "folded"
