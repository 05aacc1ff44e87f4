"""A processor that lacks the instructions gives a clear error, not an illegal instruction."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

QEMU = shutil.which("qemu-x86_64")

pytestmark = [
    pytest.mark.skipif(platform.machine() in ("aarch64", "arm64"), reason="all 64-bit ARM processors have NEON"),
    pytest.mark.skipif(QEMU is None, reason="needs qemu-x86_64 (Debian's qemu-user) to emulate an old processor"),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer does not run under qemu"),
]


PROGRAM = """
import runpy, sys
weights, tests = sys.argv[1:]
sys.path.insert(0, tests)
import numpy as np
from adapter import run_op
from resnet50 import ResNet50, UnsupportedProcessor
for use in lambda: ResNet50(weights), lambda: run_op("relu", np.ones((3, 3, 8), np.float32)):
    try:
        use()
    except UnsupportedProcessor:
        print("refused", flush=True)
sys.argv = ["resnet50", "bench", "--size", "32", "--weights", weights]
runpy.run_module("resnet50", run_name="__main__")
"""


def test_the_package_can_be_imported_its_operators_raise_and_the_command_line_ends_with_one_line(weights_dir):
    """On an emulated Nehalem (2008), which has SSE4.2 but neither AVX nor FMA.

    Emulation is slow, hence one process, in which importing pytest would take as long as everything else.
    """
    command = [QEMU, "-cpu", "Nehalem", sys.executable, "-c", PROGRAM, weights_dir, Path(__file__).parent]
    # If it is set, it names this machine's processor, and NumPy's OpenBLAS would believe it.
    variables = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.returncode) == ("refused\n" * 2, 2), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "AVX2" in done.stderr
