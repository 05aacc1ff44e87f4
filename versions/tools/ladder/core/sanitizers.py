"""The environment of a process that loads code built with AddressSanitizer and UndefinedBehaviorSanitizer."""

import subprocess
from pathlib import Path

from ladder.core.errors import LadderError

LIBRARIES = ("libasan.so", "libubsan.so")
# CPython itself leaks at exit. The quarantine of freed memory is 2 MB instead of 256 MB, so that tests of memory use
# still pass. An allocation that is too large fails as it does without a sanitizer.
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=2:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "CC": "env -u LD_PRELOAD gcc",  # the compiler of generated C is not preloaded: it would take twice as long
    "RESNET50_CFLAGS": "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all",  # for generated C
    "PYTHONMALLOC": "malloc",  # small objects too become separate blocks, which the sanitizer guards
}


def variables() -> dict[str, str]:
    """The environment variables. The interpreter is not sanitized, so gcc's libraries must be loaded before it.

    Raises LadderError if gcc or its libraries are missing.
    """
    return OPTIONS | {"LD_PRELOAD": " ".join(str(library(name)) for name in LIBRARIES)}


def library(name: str) -> Path:
    """The path of one of gcc's libraries."""
    try:
        done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        raise LadderError("the sanitizers are gcc's, and gcc was not found") from None
    path = Path(done.stdout.strip())
    if not path.is_absolute():  # gcc returns the bare name if it does not have the file
        raise LadderError(f"gcc has no {name}, which the sanitizers need")
    return path
