"""Remembers which test files have passed, and decides which of them can be skipped.

A test file has passed when pytest ran all of it and ended with exit code 0. A record is then written: the state of the
machine (machine.py), and everything that the test file exercised (tracing.py), each with a digest of its state. The
rule: a version can skip a test file if the file has a record whose digests all match the version's own files, on a
machine in the same state. The record may be the version's own: then nothing that matters to the test has changed. Or
it may be another version's: then the two versions agree in everything that matters to the test.

Why this is safe. Let V be a version in which the test passed, and W one in which everything recorded has the same
state. Follow a run in W: each process does the same as in V until it gets different input. Input from a version's files
can reach it in these ways only:

- It runs or reads a file. V recorded this, so in W the file has the same content, or is missing there too.
- It looks for a module. V recorded every file that the name could mean, even if there was none: so W finds the same
  file, and no file that only W has can take its place. A library counts with its version.
- It lists a folder. V recorded the names in it, except when the import system or pytest listed it: the modules that
  these look for are recorded as above, and the files that pytest always looks for (conftest.py, pytest.ini) always
  count.
- It loads the extension module. All C sources and headers count in its place, with meson.build and the compiler. (The
  library itself contains paths, so it always differs.) Generated C comes from Python files.
- It starts another program. Python records its own reads. For any other program, every path in its arguments counts.
  If a child cannot record its reads, everything in the folder counts.

So, by induction over its input, the run in W does what the run in V did, and passes. Package files count as installed,
so a file missing from meson.build is noticed; of pyproject.toml, only pytest's settings count, and for C the build's.
Not covered are: the existence and size of files that are neither opened nor imported (`os.stat` has no audit event);
files that a program finds by itself, outside the paths in its arguments (but the programs that the tests start lie
elsewhere and find their input through their arguments); pip's record of the package's own name, which differs in every
version; and time.

Records are read and written whole. A damaged record counts as missing; of two runs at once, the later one's stays.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from ladder.testing.outcome import Counts
from ladder.testing.snapshot import replace


class State(Protocol):
    """Anything that knows the digests of things, such as a Snapshot."""

    def digest(self, thing: str) -> str:
        """The thing's current digest."""


@dataclass(frozen=True)
class Record:
    """A pass of a test file: which part ran it, on which machine, what it exercised, and the numbers of tests."""

    part: str
    machine: str
    things: dict[str, str]
    counts: Counts
    seconds: float

    def covers(self, machine: str, state: State) -> bool:
        """Whether a run on this machine, in this state, would only repeat this one."""
        return machine == self.machine and not differs(self.things, state)


def differs(things: dict[str, str], state: State) -> bool:
    """Whether the digest of any of the things has changed."""
    return any(state.digest(thing) != digest for thing, digest in things.items())


class Memory:
    """The folder of records of one kind of build: one record for each part and test file."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, part: str, name: str, record: Record) -> None:
        """Remember that the test file `name` of a part has passed, or that another part's pass counts for it."""
        replace(self.place(part, name), json.dumps(asdict(record)).encode())

    def read(self, part: str, name: str) -> Record | None:
        """The record of a part's test file; None if it is missing or damaged."""
        try:
            found = json.loads(self.place(part, name).read_text(encoding="utf-8"))
            things = {str(thing): str(digest) for thing, digest in found["things"].items()}
            counts = Counts(**{str(word): int(number) for word, number in found["counts"].items()})
            record = Record(str(found["part"]), str(found["machine"]), things, counts, float(found["seconds"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return record if things else None

    def all(self, parts: list[str], name: str) -> Iterator[Record]:
        """The records of a test file in these parts."""
        return (record for part in parts if (record := self.read(part, name)))

    def forget(self, part: str, name: str) -> None:
        """Remove the record of a part's test file, which has failed."""
        self.place(part, name).unlink(missing_ok=True)

    def place(self, part: str, name: str) -> Path:
        """The path of a record."""
        return self.folder / part / f"{name}.json"
