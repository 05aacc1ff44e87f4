"""Records what a test process reads: it lies in a version's environment, where Python runs it at each start.

It is not a module of the ladder: `tracing.py` copies it into the environment as ladder_trace.py, and it runs only if
LADDER_TRACE is set. This variable names the file to write to and the folders to watch. Each line of the file is a
kind, a space and a Python literal. Lines are appended at once, so the record is complete however the process ends.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

VARIABLE = "LADDER_TRACE"
TRACE, *ROOTS = os.environ[VARIABLE].split(os.pathsep)
INSIDE = tuple(root + os.sep for root in ROOTS)
LOOKING = "<frozen importlib", f"{os.sep}importlib{os.sep}", f"{os.sep}_pytest{os.sep}"  # whose lookups are recorded
ENDS = " \t\n'\",;:=()<>|&"  # characters that end a path inside an argument, such as a shell command

recorded: set[str] = set()
pending: list[str] = []  # lines that could not be written yet, for lack of a descriptor, say; retried with the next one


def record(kind: str, value: str) -> None:
    """Append a line, unless it has been recorded before."""
    line = f"{kind} {value!a}\n"
    if line in recorded:
        return
    recorded.add(line)
    pending.append(line)
    try:
        file = os.open(TRACE, os.O_WRONLY | os.O_APPEND)
    except OSError:
        return
    lines = pending[:]  # another thread may append meanwhile
    del pending[: len(lines)]
    try:
        os.write(file, "".join(lines).encode())
    except OSError:
        pending.extend(lines)
    finally:
        os.close(file)


def see(path: Any, kind: str = "file") -> None:
    """A path was opened or passed on. A descriptor is ignored: it was recorded when it was opened."""
    if isinstance(path, (str, bytes, os.PathLike)):
        name = os.path.realpath(os.fsdecode(path))
        if name.startswith(INSIDE) or name in ROOTS:
            record(kind, name)


def opened(path: Any, *_: Any) -> None:
    """A file was opened; shutil.rmtree's are ignored, whose names are relative to a descriptor."""
    if path != TRACE and not sys._getframe(2).f_code.co_name.startswith("_rmtree"):
        see(path)


def executed(code: Any) -> None:
    name = getattr(code, "co_filename", "<")
    if not name.startswith("<"):
        see(name)


def loaded(name: Any, file: Any, *_: Any) -> None:
    """A module is imported; only an extension module has a file here."""
    see(file)


def listed(path: Any, *_: Any) -> None:
    """A folder was listed; the import system and pytest are ignored, since each name they look for is recorded."""
    caller = sys._getframe(2).f_code.co_filename
    if not any(part in caller for part in LOOKING):
        see("." if path is None else path, "list")


def started(program: Any, arguments: Any, cwd: Any = None, variables: Any = None) -> None:
    """A child was started. This environment's Python records its own reads; for others, paths in arguments count."""
    given = [arguments] if isinstance(arguments, (str, bytes, os.PathLike)) else list(arguments or ())
    words = [os.fsdecode(word) for word in given]
    variables = os.environ if variables is None else variables
    if not {VARIABLE, VARIABLE.encode()} & set(variables):
        record("blind", f"a child without {VARIABLE}: {words[:3]}")
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
    """For sys.addaudithook. An error raised here would break the tested program, so it is recorded instead."""
    if event in EVENTS:
        try:
            EVENTS[event](*arguments)
        except Exception as error:
            record("blind", f"{event}: {error!r}")


class Lookups:
    """The first module finder. It finds nothing, but records which modules of the tests and the package are looked for.

    Of other packages it records only the top-level names, each of which stands for the installed version; of the
    standard library, nothing.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if path is None:
            if name not in sys.stdlib_module_names:
                record("import", name)
        elif any(str(place).startswith(INSIDE) or place in ROOTS for place in path):
            record("import", name)


for name in {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names:
    record("import", name)
sys.addaudithook(hook)
sys.meta_path.insert(0, Lookups)  # type: ignore[arg-type]
record("started", sys.executable)  # without this line, nothing is known of what a process reads
