"""Compile the intrinsics' header as a version compiles its own C: `python precompile.py FOLDER`, then named in CPATH.

gcc takes immintrin.h.gch/ANYTHING in place of immintrin.h, if it was made with the flags that it is given.
"""

import subprocess
import sys
from pathlib import Path

from resnet50.compiler import Compiler
from resnet50.instruction_sets import instruction_set

isa = instruction_set()
made = Path(sys.argv[1], f"{isa.header}.gch", "".join(isa.flags))
source = made.with_suffix(".h")  # gcc does not precompile its standard input
*command, _, _ = Compiler(isa).command  # the last two are "c" and "-"
if not made.exists():
    made.parent.mkdir(exist_ok=True)
    source.write_text(f"#include <{isa.header}>\n", encoding="utf-8")
    subprocess.run([*command, "c-header", str(source), "-o", str(made)], check=True)
    source.unlink()
