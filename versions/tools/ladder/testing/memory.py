"""What has passed, and the rule by which it need not run again.

A test file has passed when pytest ran all of it and ended with exit code 0. Then a record is written: the state of the
machine (machine.py), and everything that the test file exercised (tracing.py), each with a digest of its state. The
rule: where a version has the same test file, and for each thing in a record of it the same digest, on a machine in
the same state, the test file need not run. The version may be the one that ran it, which is then unchanged in all that
matters to the test; or a later one, whose files are then the same in all that matters.

Why that is safe. Take a version V that ran the test and passed, and a version W that has all that was recorded in the
same state; and follow what a run in W would do. A process does the same thing as in V until it is told something
else. It is told of a version's files by these ways only:

- It runs or reads a file. In V that was recorded, so in W the file is the same, or is not there either.
- It looks for a module. Which files could be meant by the name was recorded, also where there was none: so W finds
  the same file, and one that only W has is not found in its place. A library counts with its version.
- It lists a folder. Then the names in it were recorded, but not where the import system or pytest lists: of what they
  look for, the names are told as above, and those that pytest looks for unasked (conftest.py, pytest.ini) always count.
- It loads the extension module. For that stand all C sources and headers with meson.build, compiled by the same
  compiler in the same way. (The library itself holds paths, and so is never the same.) C that is generated comes from
  Python files.
- It starts another program. Python tells by itself what it reads. For another one, all that its arguments name counts.
  If a child cannot tell, then everything in the folder counts.

So by induction over what it is told, the run in W does what the run in V did, and passes. Package files count as they
are installed, so that what meson.build forgets is missed; of pyproject.toml, what it says to pytest, and for C, how it
is built. What is left out: that a file is there or how long it is (`os.stat` tells no hook) counts only where it
is also opened or imported; what a program finds by itself below a folder that its arguments do not name; the record
that pip leaves of the package's own name, which is another in every version; and time. Programs that the tests start
lie outside of the folder, and find what they need by the arguments.

A record is read and written as a whole. One that is damaged counts as none; of two runs at once, the later one stays.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from ladder.testing.outcome import Counts
from ladder.testing.snapshot import replace


class State(Protocol):
    """What tells the digest of a thing, such as a Snapshot."""

    def digest(self, thing: str) -> str:
        """The digest that the thing has now."""


@dataclass(frozen=True)
class Record:
    """A pass of a test file: which part ran it, on what machine, what it exercised, what came out."""

    part: str
    machine: str
    things: dict[str, str]
    counts: Counts
    seconds: float

    def covers(self, machine: str, state: State) -> bool:
        """Whether a run on this machine, in this state, would only do what this one did."""
        return machine == self.machine and not differs(self.things, state)


def differs(things: dict[str, str], state: State) -> bool:
    """Whether any of the things has another digest now."""
    return any(state.digest(thing) != digest for thing, digest in things.items())


class Memory:
    """The records of one kind of build, in a folder: one for each part and test file."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, part: str, name: str, record: Record) -> None:
        """Remember that the test file `name` of a part has passed, or would have as another part's has."""
        replace(self.place(part, name), json.dumps(asdict(record)).encode())

    def read(self, part: str, name: str) -> Record | None:
        """The record of a part's test file, if there is a whole one."""
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
        """A test file has failed: what its part knew of it is void."""
        self.place(part, name).unlink(missing_ok=True)

    def place(self, part: str, name: str) -> Path:
        """Where the record lies."""
        return self.folder / part / f"{name}.json"
