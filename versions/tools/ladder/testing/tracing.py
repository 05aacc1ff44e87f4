"""What a test file exercises, found by watching it run: hook.py records it, and this module reads the record."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from ladder.testing.snapshot import STARTER, Snapshot, replace

HOOK = Path(__file__).with_name("hook.py")
VARIABLE = "LADDER_TRACE"
# Python runs such a line at each start, in every child too, except with -S.
START = f'import os; os.environ.get("{VARIABLE}") and __import__("ladder_trace")\n'
C = (".c", ".h", ".so", ".pyd")


def install(site_packages: Path) -> None:
    """Put the hook into an environment, where it does nothing until the variable is set."""
    for name, content in (("ladder_trace.py", HOOK.read_bytes()), (STARTER, START.encode())):
        path = site_packages / name
        if not path.exists() or path.read_bytes() != content:
            replace(path, content)


def variables(trace: Path, snapshot: Snapshot) -> dict[str, str]:
    """The environment variables for a traced process. Creates the trace, so that other users can write to it too."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    trace.write_bytes(b"")
    trace.chmod(0o666)
    return {VARIABLE: os.pathsep.join(map(str, (trace, *snapshot.roots)))}


def started(trace: Path) -> bool:
    """Whether the hook has run at all. If it could not, nothing is known of what the process read."""
    return b"started " in trace.read_bytes()


def exercised(trace: Path, snapshot: Snapshot) -> set[str]:
    """What has been recorded so far, as things for `Snapshot.digest`. A line that is still incomplete is left out."""
    try:
        text = trace.read_text(encoding="ascii", errors="replace")
    except OSError:
        return {"everything"}
    complete = text[: text.rfind("\n") + 1]
    return {thing for line in complete.splitlines() for thing in things(line, snapshot)}


def things(line: str, snapshot: Snapshot) -> Iterator[str]:
    """The things that a line stands for. If the line cannot be understood, everything counts."""
    kind, _, literal = line.partition(" ")
    try:
        value = str(ast.literal_eval(literal))
    except (ValueError, SyntaxError):
        kind, value = "damaged", ""
    if kind == "import":
        yield f"import {value.rpartition('.')[2]}"
    elif kind in ("file", "given", "list"):
        yield from of_path(kind, Path(value), snapshot)
    elif kind == "started":
        return
    else:
        yield "everything"


def of_path(kind: str, path: Path, snapshot: Snapshot) -> Iterator[str]:
    """The things that a file or folder stands for. Of a folder passed to another program, all contents count."""
    name = snapshot.name(path)
    if name is None or path.suffix == ".pyc" or name == "pyproject.toml":
        return  # byte code is made from the source, and the relevant tables of pyproject.toml always count
    if path.suffix in C or path.name == "meson.build":
        yield "c"
    elif os.path.isdir(path):  # False for a name that is too long, where pathlib would raise
        yield f"{'tree' if kind == 'given' else 'list'} {name}"
    else:
        yield f"file {name}"
        if path.suffix == ".py":  # another file or folder of this name could come first
            yield f"import {path.parent.name if path.stem == '__init__' else path.stem}"
