"""The outcome of a pytest run, from its closing line: 812 passed, 9 skipped in 41.20s."""

import re
from dataclasses import astuple, dataclass

CLOSING = re.compile(r"^=* ?(\d+ \w+(?:, \d+ \w+)*) in [\d.]+s", re.MULTILINE)
COUNT = re.compile(r"(\d+) (\w+)")


@dataclass(frozen=True)
class Counts:
    """Numbers of tests, named by pytest's words."""

    failed: int = 0
    passed: int = 0
    skipped: int = 0
    deselected: int = 0
    xfailed: int = 0
    xpassed: int = 0
    warnings: int = 0
    errors: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        """In pytest's own wording and order."""
        found = [f"{number} {word}" for word, number in vars(self).items() if number]
        return ", ".join(found).replace("1 warnings", "1 warning") or "no tests ran"


WORDS = {"error": "errors", "warning": "warnings"}  # the singular words that pytest prints


def counts(output: str) -> Counts:
    """The numbers in the last closing line that pytest printed; all 0 if it printed none."""
    lines = CLOSING.findall(re.sub(r"\x1b\[[\d;]*m", "", output))
    found = COUNT.findall(lines[-1]) if lines else []
    numbers = {WORDS.get(word, word): int(number) for number, word in found}
    return Counts(**{word: number for word, number in numbers.items() if word in vars(Counts())})
