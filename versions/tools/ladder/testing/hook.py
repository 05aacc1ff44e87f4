"""Writes down what a process of the tests reads: in the environment of a version, where Python runs it at each start.

It is not a module of the ladder: `tracing.py` copies it into the environment as ladder_trace.py, and it does nothing
unless LADDER_TRACE is set. That holds the file to write to, and the folders that matter. Each thing is a line: a kind,
a space, a Python literal. It is appended at once, so that what a process has read is known however it ends.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

VARIABLE = "LADDER_TRACE"
TRACE, *ROOTS = os.environ[VARIABLE].split(os.pathsep)
INSIDE = tuple(root + os.sep for root in ROOTS)
LOOKING = "<frozen importlib", f"{os.sep}importlib{os.sep}", f"{os.sep}_pytest{os.sep}"  # for names told by themselves
ENDS = " \t\n'\",;:=()<>|&"  # of a path inside an argument, such as a line for a shell

told: set[str] = set()
untold: list[str] = []  # what could not be written, for want of a descriptor say; tried again with the next line


def tell(kind: str, what: str) -> None:
    """Append a line, the first time."""
    line = f"{kind} {what!a}\n"
    if line in told:
        return
    told.add(line)
    untold.append(line)
    try:
        file = os.open(TRACE, os.O_WRONLY | os.O_APPEND)
    except OSError:
        return
    try:
        os.write(file, "".join(untold).encode())
        untold.clear()
    except OSError:
        pass
    finally:
        os.close(file)


def see(path: Any, kind: str = "file") -> None:
    """A path was opened, or given away; descriptors were opened before."""
    if isinstance(path, (str, bytes, os.PathLike)):
        name = os.path.realpath(os.fsdecode(path))
        if name.startswith(INSIDE) or name in ROOTS:
            tell(kind, name)


def opened(path: Any, *_: Any) -> None:
    """But for what shutil.rmtree does, which names what it removes relative to a descriptor."""
    if path != TRACE and not sys._getframe(2).f_code.co_name.startswith("_rmtree"):
        see(path)


def executed(code: Any) -> None:
    name = getattr(code, "co_filename", "<")
    if not name.startswith("<"):
        see(name)


def loaded(name: Any, file: Any, *_: Any) -> None:
    """An extension module; of others the file is None."""
    see(file)


def listed(path: Any, *_: Any) -> None:
    """But for what the import system and pytest look for: a name that they find, or do not, is told by itself."""
    caller = sys._getframe(2).f_code.co_filename
    if not any(part in caller for part in LOOKING):
        see("." if path is None else path, "list")


def started(program: Any, arguments: Any, cwd: Any = None, variables: Any = None) -> None:
    """A child. Python of this environment tells itself what it reads; of others, what their arguments name counts."""
    given = [arguments] if isinstance(arguments, (str, bytes, os.PathLike)) else list(arguments or ())
    words = [os.fsdecode(word) for word in given]
    if variables is not None and not {VARIABLE, VARIABLE.encode()} & set(variables):
        tell("blind", f"a child without {VARIABLE}: {words[:3]}")
    if sys.executable in words or program == sys.executable:
        return
    for word in words:
        see(os.path.join(os.fsdecode(cwd or "."), word), "given")
        for root in ROOTS:
            for place in range(len(word)):
                if word.startswith(root, place):
                    end = min((word.find(end, place) for end in ENDS if end in word[place:]), default=len(word))
                    see(word[place:end], "given")


def replaced(program: Any, arguments: Any, variables: Any = None) -> None:
    started(program, arguments, None, variables)


def spawned(mode: Any, program: Any, arguments: Any, variables: Any = None) -> None:
    started(program, arguments, None, variables)


def called(line: Any) -> None:
    started("sh", line)


EVENTS: dict[str, Callable[..., None]] = {
    "open": opened,
    "exec": executed,
    "import": loaded,
    "ctypes.dlopen": see,
    "cpython.run_file": see,
    "os.listdir": listed,
    "os.scandir": listed,
    "subprocess.Popen": started,
    "os.posix_spawn": replaced,
    "os.exec": replaced,
    "os.spawn": spawned,
    "os.system": called,
}


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """For sys.addaudithook. An error here would be one of the program that is tested: it is told instead."""
    if event in EVENTS:
        try:
            EVENTS[event](*arguments)
        except Exception as error:
            tell("blind", f"{event}: {error!r}")


class Lookups:
    """The first finder of modules: finds nothing, and tells which modules of the tests and the package are looked for.

    Of other packages the outer names alone, which stand for their versions; none of the standard library.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if path is None:
            if name not in sys.stdlib_module_names:
                tell("import", name)
        elif any(str(place).startswith(INSIDE) or place in ROOTS for place in path):
            tell("import", name)


for name in {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names:
    tell("import", name)
sys.addaudithook(hook)
sys.meta_path.insert(0, Lookups)  # type: ignore[arg-type]
