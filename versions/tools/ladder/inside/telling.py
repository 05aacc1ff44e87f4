"""Run Python with these arguments, and tell on stdout how far the compiling of generated C is.

`python telling.py ARGUMENT...`, such as -m resnet50. After each file there is a line {"compiled": 5, "of": 24}, if any
of them has to be compiled: nothing is said of those that are in the cache, or by versions that generate no C.
"""

import json
import runpy
import sys
from concurrent.futures import Future
from contextlib import suppress
from typing import Any


def follow(compiler: Any) -> None:
    """Replace two functions of a version's compiler.py by some that do the same and tell."""
    compile_one, watch = compiler.Compiler.compile, compiler.watch
    compiling = False

    def compile_and_note(*arguments: Any) -> None:
        nonlocal compiling
        compiling = True
        compile_one(*arguments)

    def watch_and_tell(tasks: list[Future], patience: Any) -> None:
        def tell(_: Future) -> None:
            if compiling:
                done = sum(task.done() for task in tasks)
                sys.stdout.write(json.dumps({"compiled": done, "of": len(tasks)}) + "\n")
                sys.stdout.flush()

        for task in tasks:
            task.add_done_callback(tell)
        watch(tasks, patience)

    compiler.Compiler.compile, compiler.watch = compile_and_note, watch_and_tell


with suppress(ImportError):  # only versions that generate C have it
    from resnet50 import compiler

    follow(compiler)
del sys.argv[0]
if sys.argv[0] == "-m":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    runpy.run_path(sys.argv[0], run_name="__main__")
