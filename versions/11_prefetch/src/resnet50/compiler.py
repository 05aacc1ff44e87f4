"""From generated C to functions in this process: compiled once, kept in the cache, and loaded."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from . import ops
from .cache import Patience, load_or_make
from .codegen import source
from .cpu_count import cpu_count
from .errors import CacheError, CompilerError
from .instruction_sets import InstructionSet
from .tiles import Convolution
from .trust import ADVICE

# As for the operators: no fused multiply-add that is not in the source, no arithmetic that trades accuracy for speed.
FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden")
PATIENCE = 300  # seconds for one file, which takes about 0.25
QUIET = 1.0  # seconds before progress is shown on a terminal
ENGLISH = {"LC_ALL": "C"}  # so that the version, which is part of the key, is the same in every language

Task = Future["ops.Kernel"]  # a convolution that is being compiled

loaded: dict[str, "ops.Kernel"] = {}  # key -> function of this process; unloaded when neither this nor a plan holds it
MOST_LOADED = 1000  # functions that are kept for later plans
MAPPINGS = 5  # of memory per library


class Compiler:
    """$CC, or cc, with all its arguments. Raises `CompilerError` if it does not exist or does not work."""

    def __init__(self, isa: InstructionSet) -> None:
        self.isa = isa
        program = split("CC") or ["cc"]
        if not shutil.which(program[0]):
            raise CompilerError(
                f"there is no C compiler {program[0]!r}, which this version needs when a network is loaded; "
                "install gcc or clang, or set CC"
            )
        self.command = [*program, *FLAGS, *isa.flags, *split("RESNET50_CFLAGS"), "-x", "c", "-"]
        self.version = version(tuple(program))

    def key(self, text: str) -> str:
        """A hash of all that the library for this C depends on."""
        return sha256("\0".join([text, *self.command, self.version]).encode("utf-8", "surrogateescape")).hexdigest()

    def compile(self, text: str, library: Path) -> None:
        """Compiles C into a shared library; raises `CompilerError` if that fails."""
        run([*self.command, "-o", str(library)], text)
        if not library.is_file():
            raise CompilerError(f"{shlex.join(self.command)} wrote no library; is CC a C compiler?")


@cache
def version(program: tuple[str, ...]) -> str:
    """What a compiler prints about itself."""
    return run([*program, "--version"])


def run(command: list[str], text: str = "") -> str:
    """What `command` prints, with `text` as its input; no shell is involved. Raises `CompilerError` if it fails."""
    english = os.environ | ENGLISH
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=PATIENCE, env=english
        )
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError in a subinterpreter
        raise CompilerError(f"the C compiler {command[0]!r} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"the C compiler {command[0]!r} did not finish within {PATIENCE} s") from error
    if done.returncode:
        raise CompilerError(f"{shlex.join(command)} failed with exit code {done.returncode}: {reason(done.stderr)}")
    return done.stdout


def reason(stderr: str) -> str:
    """The line in which a compiler says why it failed: the first with "error" or "cannot"; not gcc's on its linker."""
    lines = [line.strip() for line in stderr.splitlines()] or ["no message"]
    telling = [line for line in lines if ("error" in line or "cannot" in line) and not line.startswith("collect2:")]
    return (telling or lines)[0]


def split(variable: str) -> list[str]:
    """An environment variable split into words, as a shell would."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise CompilerError(f"{variable} cannot be split into words: {error}") from error


def load(convolutions: Iterable[Convolution], isa: InstructionSet) -> dict[Convolution, "ops.Kernel"]:
    """A loaded function for each convolution; those that are not in the cache are compiled in parallel.

    Raises `CompilerError` or `CacheError`.
    """
    wanted = list(dict.fromkeys(convolutions))
    if not wanted:
        return {}
    require_room(len(wanted))
    compiler, patience = Compiler(isa), Patience(watched=is_terminal())
    with ThreadPoolExecutor(cpu_count()) as threads:
        try:
            tasks = submit(threads, [partial(load_one, compiler, conv, patience) for conv in wanted], patience)
            watch(tasks, patience)
        finally:
            patience.cancelled.set()
            threads.shutdown(cancel_futures=True)
    for key in list(reversed(loaded))[MOST_LOADED:]:
        loaded.pop(key, None)
    return dict(zip(wanted, (task.result() for task in tasks), strict=True))


def require_room(libraries: int) -> None:
    """Raises `CompilerError` if this process has nearly as many memory mappings as Linux allows.

    A tenth is left for other purposes: beyond the limit any allocation can fail, and not all code survives that.
    """
    try:
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
        mappings = Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:  # another system
        return
    if mappings + libraries * MAPPINGS > 0.9 * limit:
        raise CompilerError(
            f"this process cannot load {libraries} more convolutions: it has {mappings} memory mappings, and the "
            f"system allows {limit} (vm.max_map_count); keep fewer networks or picture sizes at a time"
        )


def submit(threads: ThreadPoolExecutor, work: list[Callable[[], "ops.Kernel"]], patience: Patience) -> list[Task]:
    """Hands the work to the threads; what they do not accept, because Python is ending, the calling thread does."""
    tasks: list[Task] = []
    for each in work:
        try:
            tasks.append(threads.submit(each))
        except RuntimeError:
            patience.watched = False
            tasks.append(Future())
            tasks[-1].set_result(each())
    return tasks


def load_one(compiler: Compiler, conv: Convolution, patience: Patience) -> "ops.Kernel":
    """The loaded function for one convolution."""
    text = source(conv, compiler.isa)
    key = compiler.key(text)
    if (function := loaded.get(key)) is None:
        function = load_or_make(key, lambda library: compiler.compile(text, library), load_library, patience)
        loaded[key] = function
    return function


def load_library(name: str, library: Path) -> "ops.Kernel":
    """The function in the library `name`; raises `CacheError` or `CompilerError` if the system refuses to load it."""
    try:
        return ops.load(os.fsencode(name))
    except OSError as error:
        if os.statvfs(name).f_flag & getattr(os, "ST_NOEXEC", 0):  # only Linux has it
            raise CacheError(f"{library.parent}: its file system is mounted noexec, so that compiled code cannot be "
                             f"run from there; {ADVICE}") from error  # fmt: skip
        reason = str(error).replace(name, str(library))
        raise CompilerError(f"the compiled library cannot be loaded: {reason}") from error


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return bool(sys.stderr and sys.stderr.isatty())


def watch(tasks: list[Task], patience: Patience) -> None:
    """Waits until all tasks have finished, or one has raised an error, which is then raised here.

    If that takes long and stderr is a terminal, shows a line of progress, which is removed in the end.
    """
    shown = False
    left = set(tasks)
    try:
        while left:
            done, left = wait(left, timeout=QUIET, return_when=FIRST_EXCEPTION)
            for task in done:
                task.result()
            if left and is_terminal():
                shown = True
                words = f"compiling {len(tasks)} convolutions, {len(tasks) - len(left)} done"
                words += f"; {patience.words}" if patience.words else ""
                print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
