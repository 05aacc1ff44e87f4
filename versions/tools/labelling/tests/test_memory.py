"""The memory of a run does not grow with the number of its files."""

import subprocess
import sys
from pathlib import Path

import pytest

from ladder.core.versions import ROOT

MOST = 20_000_000  # bytes more for a hundred times as many files
# The processes that look at pictures are replaced by a loop: their memory has limits of its own.
PROGRAM = """
import resource, sys
from pathlib import Path
from labelling import label as module
from labelling.__main__ import main
from ladder.core import environment
class Crew:
    def __init__(self, *settings): pass
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def label(self, folder, tasks):
        return (task.entry({"label": "cat", "score": 0.5}) for task in tasks)
module.Crew, environment.python = Crew, lambda version: None
root, *arguments = sys.argv[1:]
code = main(arguments, Path(root))
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def peak(folder: Path, out: Path, weights: Path) -> int:
    """The most bytes that a run over a folder ever held."""
    arguments = [str(ROOT), str(folder), "--out", str(out), "--weights", str(weights)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, check=True, text=True)
    return 1024 * int(done.stdout.rpartition("peak ")[2])


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is Linux's")
def test_a_hundred_times_as_many_files_take_no_more_memory(tmp_path: Path, weights: Path):
    for count in (300, 30_000):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        for number in range(count):
            (folder / f"a picture with a name of the usual length {number}.jpg").touch()
    few, many = (peak(tmp_path / f"{count}", tmp_path / f"{count}.csv", weights) for count in (300, 30_000))
    print(f"{few / 1e6:.0f} MB for 300 files, {many / 1e6:.0f} MB for 30,000")
    assert many - few < MOST
    assert (tmp_path / "30000.csv").read_bytes().count(b"\n") == 30_001
    again = peak(tmp_path / "30000", tmp_path / "30000.csv", weights)
    assert again - few < MOST
