"""From generated C to functions in this process: compiled once, kept in the cache, loaded, and never unloaded."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import monotonic

from . import ops
from .cache import ADVICE, load_or_make
from .codegen import source
from .errors import CacheError, CompilerError
from .instruction_sets import InstructionSet
from .processors import processors
from .tiles import Convolution

# As the operators are built: no multiply-add that is not written, no arithmetic that trades accuracy for speed.
FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden")
PATIENCE = 300  # seconds for one file; it takes a quarter of one
QUIET = 1.0  # seconds before a terminal is told that something is going on


loaded: dict[str, object] = {}  # key -> function, of this process


class Compiler:
    """$CC, or cc, with all that it is told. Raises `CompilerError` if it is not there or does not answer."""

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
        """What the library for this C depends on, as a hash."""
        return sha256("\0".join([text, *self.command, self.version]).encode("utf-8", "surrogateescape")).hexdigest()

    def compile(self, text: str, library: Path) -> None:
        """Compiles C into a shared library; raises `CompilerError` if that fails."""
        run([*self.command, "-o", str(library)], text)
        if not library.is_file():
            raise CompilerError(f"{shlex.join(self.command)} wrote nothing; is CC a C compiler?")


@cache
def version(program: tuple[str, ...]) -> str:
    """What a compiler says it is."""
    return run([*program, "--version"])


def run(command: list[str], text: str = "") -> str:
    """What `command` prints, with `text` as its input; no shell is involved. Raises `CompilerError` if it fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise CompilerError(f"the C compiler {command[0]!r} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"the C compiler {command[0]!r} did not end within {PATIENCE} s") from error
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["-"]
        raise CompilerError(f"{shlex.join(command)} failed with exit code {done.returncode}: {words[0].strip()}")
    return done.stdout


def split(variable: str) -> list[str]:
    """An environment variable's words, as a shell would see them."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise CompilerError(f"{variable} cannot be split into words: {error}") from error


def load(convolutions: Iterable[Convolution], isa: InstructionSet) -> dict[Convolution, object]:
    """A loaded function for each convolution, compiled side by side on all processors where the cache has none.

    Raises `CompilerError` or `CacheError`.
    """
    wanted = list(dict.fromkeys(convolutions))
    if not wanted:
        return {}
    compiler = Compiler(isa)
    began = monotonic()
    with ThreadPoolExecutor(processors()) as threads:
        tasks = {threads.submit(load_one, compiler, conv): conv for conv in wanted}
        try:
            for done, task in enumerate(as_completed(tasks), 1):
                task.result()
                tell(f"compiling {len(wanted)} convolutions, {done} done", monotonic() - began, done == len(wanted))
        finally:
            threads.shutdown(cancel_futures=True)
    return {conv: task.result() for task, conv in tasks.items()}


def load_one(compiler: Compiler, conv: Convolution) -> object:
    """One loaded function."""
    text = source(conv, compiler.isa)
    key = compiler.key(text)
    if key not in loaded:
        loaded[key] = load_or_make(key, lambda library: compiler.compile(text, library), load_library)
    return loaded[key]


def load_library(library: Path) -> object:
    """The function in a library, for ops.Plan; raises `CacheError` or `CompilerError` if the system refuses it."""
    try:
        return ops.load(os.fsencode(library))
    except OSError as error:
        if os.statvfs(library).f_flag & os.ST_NOEXEC:
            raise CacheError(f"{library.parent}: its file system is mounted noexec, so that compiled code cannot be "
                             f"run from there; {ADVICE}") from error  # fmt: skip
        library.unlink()
        raise CompilerError(f"what the C compiler made cannot be loaded: {error}") from error


def tell(words: str, seconds: float, last: bool) -> None:
    """Where stderr is a terminal and it takes its time: a line that is written over, and removed in the end."""
    if seconds > QUIET and sys.stderr.isatty():
        print(f"\r\033[K{'' if last else words}", end="", file=sys.stderr, flush=True)
