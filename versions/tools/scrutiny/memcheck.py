"""Valgrind's memcheck on a narrow inference: the errors in a version's own C, and in the C that it generates."""

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from ladder.core import environment
from ladder.core.errors import LadderError
from ladder.core.versions import ROOT, Version
from ladder.outputs import agreement
from scrutiny import networks
from scrutiny.networks import Size, Tensors

HERE = Path(__file__).parent
# NumPy reuses freed arrays of less than 1024 bytes, and their old content counts as initialised. So no layer of this
# network has a smaller output; nor do its channels fill whole registers.
SIZE = Size(9, 300, 33, 47)
# A version's extension module, its compiled code in the cache, and the check of the logits. Python and NumPy do not
# count: valgrind reports errors whenever they start.
OURS = re.compile(r"/resnet50/ops\.[^/]*\.so|/[0-9a-f]{64}\.so|/defined\.so")
LOST = ("Leak_PossiblyLost", "Leak_StillReachable")  # memory that Python does not free at exit


def memcheck(version: Version, scratch: Path) -> list[str]:
    """A line for each error; `scratch`: an empty folder.

    Valgrind does not know AVX-512 and emulates a processor without it, so the versions use AVX2. Raises LadderError if
    valgrind is missing.
    """
    weights, image = networks.random_tensors(SIZE, 0), networks.random_image(SIZE, 0)
    folder = networks.write(scratch / "weights", weights)
    np.save(scratch / "image.npy", image)
    library = compiled(scratch / "defined.so")
    done = subprocess.run(
        [
            *("valgrind", "--quiet", "--leak-check=full", "--num-callers=24"),
            *("--xml=yes", f"--xml-file={scratch / 'found.xml'}"),
            *(environment.python(version), HERE / "inside" / "under_valgrind.py"),
            *(folder, scratch / "image.npy", library, scratch / "logits.npy"),
        ],
        env=environment.variables() | {"PYTHONMALLOC": "malloc", "RESNET50_THREADS": "2"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["(no word on stderr)"]
        return [f"ended with code {done.returncode}: {words[-1]}"]
    right = is_right(version, np.load(scratch / "logits.npy"), weights, image)
    return findings(scratch / "found.xml") + ([] if right else ["the logits are wrong"])


def is_right(version: Version, logits: np.ndarray, weights: Tensors, image: np.ndarray) -> bool:
    """Whether the version keeps its promise: float64's logits up to its tolerance, or those in whole numbers."""
    if version.int8:
        return np.array_equal(logits, networks.in_whole_numbers(weights, image))
    expected = networks.reference(ROOT).network(weights, image)["fc"]
    return agreement.difference(logits, expected, expected) <= version.tolerance


def compiled(library: Path) -> Path:
    """defined.c as a shared library; raises LadderError if valgrind, its headers or a compiler is missing."""
    compiler = os.environ.get("CC", "cc")
    for tool in ("valgrind", compiler):
        if not shutil.which(tool):
            raise LadderError(f"{tool} is needed and was not found")
    command = [compiler, "-shared", "-fPIC", str(HERE / "defined.c"), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise LadderError(f"defined.c could not be compiled, valgrind's headers may be missing: {done.stderr.strip()}")
    return library


def findings(report: Path) -> list[str]:
    """The errors in valgrind's XML whose call stacks include our code, a line for each."""
    found = []
    for error in ElementTree.parse(report).iter("error"):
        kind = error.findtext("kind")
        frames = [frame for frame in error.iter("frame") if OURS.search(frame.findtext("obj", ""))]
        if frames and kind not in LOST:
            functions = " < ".join(frame.findtext("fn", "?") for frame in frames)
            what = error.findtext("what") or error.findtext("xwhat/text")
            found.append(f"{kind} in {functions}: {what}")
    return found
