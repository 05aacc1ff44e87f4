"""The command `codegen` of a version that generates C, with the instruction set of 64-bit ARM, on any processor."""

import sys

from resnet50 import instruction_sets
from resnet50.__main__ import main

instruction_sets.ARM = True
sys.exit(main(["codegen", *sys.argv[1:]]))
