"""A processor without the instructions gets a sentence, not an illegal instruction."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

QEMU = shutil.which("qemu-x86_64")

pytestmark = [
    pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 (Debian's qemu-user), the old processor, is not here"),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer does not run under qemu"),
]


def on_an_old_processor(*arguments):
    """Runs Python on a Nehalem of 2008, which has SSE4.2 but neither AVX nor FMA."""
    command = [QEMU, "-cpu", "Nehalem", sys.executable, *map(str, arguments)]
    # Where this is set it names this machine's processor, and NumPy's OpenBLAS would believe it.
    variables = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_line_ends_with_one_line(weights_dir):
    done = on_an_old_processor("-m", "resnet50", "bench", "--size", "32", "--weights", weights_dir)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "AVX2" in done.stderr


def test_the_package_can_be_imported_and_its_operators_raise(weights_dir):
    program = f"""
import sys, pytest
from resnet50 import ResNet50, UnsupportedProcessor
with pytest.raises(UnsupportedProcessor):
    ResNet50({str(weights_dir)!r})
sys.path.insert(0, {str(Path(__file__).parent)!r})
from adapter import run_op
from conftest import random
with pytest.raises(UnsupportedProcessor):
    run_op("relu", random(0, 3, 3, 8))
"""
    done = on_an_old_processor("-c", program)
    assert (done.returncode, done.stderr) == (0, "")
