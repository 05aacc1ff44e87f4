"""What a process needs that loads code built with AddressSanitizer and UndefinedBehaviorSanitizer."""

import subprocess
from pathlib import Path

from ladder.core.errors import LadderError

LIBRARIES = ("libasan.so", "libubsan.so")
# CPython itself leaves memory behind when it ends. Freed memory is kept from reuse only up to 2 MB (by default 256), so
# that tests of how much memory is in use hold. Too large a wish fails as it does without a sanitizer.
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=2:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "CC": "env -u LD_PRELOAD gcc",  # the compiler of generated C is not to be looked at: it would take twice as long
    "RESNET50_CFLAGS": "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all",  # for C that is generated
    "PYTHONMALLOC": "malloc",  # small objects too are blocks of their own, whose ends the sanitizer guards
}


def variables() -> dict[str, str]:
    """The environment variables: the interpreter is not sanitized, so gcc's libraries must be loaded before it.

    Raises LadderError if gcc or its libraries are not there.
    """
    return OPTIONS | {"LD_PRELOAD": " ".join(str(library(name)) for name in LIBRARIES)}


def library(name: str) -> Path:
    """Where gcc has one of its libraries."""
    try:
        done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        raise LadderError("the sanitizers are gcc's, and gcc was not found") from None
    path = Path(done.stdout.strip())
    if not path.is_absolute():  # gcc gives the bare name back if it does not know the file
        raise LadderError(f"gcc has no {name}, which the sanitizers need")
    return path
