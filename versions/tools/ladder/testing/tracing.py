"""What a test file exercises, found by watching it run: hook.py writes it down, and here it is read."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from ladder.testing.snapshot import STARTER, Snapshot, replace

HOOK = Path(__file__).with_name("hook.py")
VARIABLE = "LADDER_TRACE"
# Python runs such a line at each start, in every child too, unless it is told -S.
START = f'import os; os.environ.get("{VARIABLE}") and __import__("ladder_trace")\n'
C = (".c", ".h", ".so", ".pyd")


def install(site_packages: Path) -> None:
    """Put the hook into an environment; it is silent there until the variable is set."""
    for name, content in (("ladder_trace.py", HOOK.read_bytes()), (STARTER, START.encode())):
        path = site_packages / name
        if not path.exists() or path.read_bytes() != content:
            replace(path, content)


def variables(trace: Path, snapshot: Snapshot) -> dict[str, str]:
    """What a traced process needs in its environment. The file is made, so that other users can write to it too."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    trace.write_bytes(b"")
    trace.chmod(0o666)
    return {VARIABLE: os.pathsep.join(map(str, (trace, *snapshot.roots)))}


def exercised(trace: Path, snapshot: Snapshot) -> set[str]:
    """The things that `Snapshot.digest` knows, from what was written down so far; a line that is cut short waits."""
    try:
        text = trace.read_text(encoding="ascii", errors="replace")
    except OSError:
        return {"everything"}
    complete = text[: text.rfind("\n") + 1]
    return {thing for line in complete.splitlines() for thing in things(line, snapshot)}


def things(line: str, snapshot: Snapshot) -> Iterator[str]:
    """What a line means. What is not understood means that everything counts."""
    kind, _, literal = line.partition(" ")
    try:
        what = str(ast.literal_eval(literal))
    except (ValueError, SyntaxError):
        kind, what = "damaged", ""
    if kind == "import":
        yield f"import {what.rpartition('.')[2]}"
    elif kind in ("file", "given", "list"):
        yield from of_path(kind, Path(what), snapshot)
    else:
        yield "everything"


def of_path(kind: str, path: Path, snapshot: Snapshot) -> Iterator[str]:
    """What reading a file, or listing a folder, means; giving it to another program means all that is in it."""
    name = snapshot.name(path)
    if name is None or path.suffix == ".pyc" or name == "pyproject.toml":
        return  # byte code is made of the source; of pyproject.toml the part that counts always does
    if path.suffix in C or path.name == "meson.build":
        yield "c"
    elif os.path.isdir(path):  # False where pathlib would complain of a name that is too long
        yield f"{'tree' if kind == 'given' else 'list'} {name}"
    else:
        yield f"file {name}"
        if path.suffix == ".py":  # another file or folder of this name could be found before it
            yield f"import {path.parent.name if path.stem == '__init__' else path.stem}"
