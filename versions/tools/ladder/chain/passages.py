"""The lines of a version that hold its idea, as `read` in its pyproject.toml names them.

An entry is a file, or a file and what is defined there: "src/resnet50/weights.py: Weights.load". So no edit moves it.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ladder.chain.difference import Change, Row
from ladder.core.errors import LadderError
from ladder.core.files import Tree
from ladder.core.versions import Version

READ = "Read these {} lines: they hold the idea"  # the headings of the passages, with the number of lines, ...
REST = "The rest"  # ... and of the files

# What a C file says at the beginning of a line: a function or another thing with braces, or a declaration.
ITEM = re.compile(r"^\w[^;{}]*(?:\{\n.*?^\}[^\n]*|\{[^\n][^;]*;|;)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Passage:
    """Lines of a file, counted from 0, and the name of what they define; empty if they are the whole file."""

    path: str
    name: str
    lines: range

    @property
    def title(self) -> str:
        """The file and the name, as in `read`."""
        return f"{self.path}: {self.name}" if self.name else self.path


def declared(version: Version, tree: Tree) -> Iterator[Passage]:
    """What the version's `read` names in its files, in that order; raises LadderError for what is not there."""
    for entry in version.read:
        path, _, name = entry.partition(": ")
        if path not in tree:
            raise LadderError(f"{version.name}: `read` names {path}, which is not there")
        text = tree[path].decode(errors="replace")
        found = definitions(path, text, name) if name else [range(len(text.splitlines()))]
        if len(found) != 1:
            times = f"defines {name} {len(found)} times" if found else f"does not define {name}"
            raise LadderError(f"{version.name}: `read` names {entry!r}, but the file {times}")
        yield Passage(path, name, found[0])


def excerpt(change: Change, rows: list[Row], passage: Passage) -> Iterator[Row]:
    """Those of a file's rows that have a passage's lines; of the old file, only lines that defined the same name."""
    old = range(0)
    if change.old == change.new:
        found = definitions(passage.path, "\n".join(change.before), passage.name) if passage.name else []
        old = found[0] if found else range(0 if passage.name else len(change.before))
    for row in rows:
        both = row.old in old, row.new in passage.lines
        if (both[1] and not row.changed) or all(both):
            yield row
        elif row.changed and any(both):
            yield Row(row.old if both[0] else None, row.new if both[1] else None)


def definitions(path: str, text: str, name: str) -> list[range]:
    """The lines of each definition of `name` in a Python or C file, with the comment right above it."""
    lines = text.splitlines()
    found = python(text, name) if path.endswith(".py") else c(text, name) if path.endswith((".c", ".h")) else []
    return [range(with_comment(path, lines, one.start), one.stop) for one in found]


def python(text: str, name: str) -> list[range]:
    """The lines of the functions, classes and variables of this name; `Class.method` is looked for in the class."""
    *classes, last = name.split(".")
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return []
    for outer in classes:
        body = [inner for node in body if isinstance(node, ast.ClassDef) and node.name == outer for inner in node.body]
    return [range(first_line(node) - 1, node.end_lineno or 0) for node in body if last in names(node)]


def names(node: ast.stmt) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def first_line(node: ast.stmt) -> int:
    """The number of the line with which a definition begins, or its first decorator."""
    return min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])


def c(text: str, name: str) -> list[range]:
    """The lines of the functions, types, variables and named numbers of this name, in the layout of clang-format."""
    found = [item for item in ITEM.finditer(text) if defines(item[0], name)]
    return [range(text.count("\n", 0, item.start()), text.count("\n", 0, item.end()) + 1) for item in found]


def defines(item: str, name: str) -> bool:
    """Whether this item of a C file defines the name; a function's body begins with a brace in a line of its own."""
    head = item.partition("{")[0]
    if head.endswith(")\n"):
        return re.search(rf"\b{re.escape(name)}\(", head) is not None
    word = rf"\b{re.escape(name)}"
    return re.search(rf"\}} {word};|\b(struct|enum) {word} \{{|{word}(\[[^\]]*\])* =", item) is not None


def with_comment(path: str, lines: list[str], start: int) -> int:
    """The first line of the comment that ends right above the line `start`; `start` if there is none."""
    first = start
    if path.endswith(".py"):
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
    elif first and lines[first - 1].endswith("*/") and lines[first - 1].startswith(("/*", " *")):
        first -= 1
        while not lines[first].startswith("/*"):
            first -= 1
    return first
