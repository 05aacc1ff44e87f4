"""The gain of one version over another in the last benchmark, from build/bench/results.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core.versions import Version
from ladder.timing.bench_text import NOISE, rounded
from ladder.timing.ratios import CONFIDENCE, Ratio, paired

HOW = "`nox -s bench` measures it"


@dataclass(frozen=True)
class Gain:
    """The speed-up of one version over another, with these `threads`; `noisy`: only two digits are significant."""

    threads: int
    ratio: Ratio
    noisy: bool

    @property
    def figure(self) -> str:
        """The ratio as text, without its interval."""
        return rounded(self.ratio.median, self.noisy)

    @property
    def interval(self) -> str:
        """The ratio's confidence interval as text; empty if there were too few rounds."""
        return " to ".join(rounded(end, self.noisy) for end in self.ratio.interval or ())

    def words(self) -> str:
        """The ratio, its interval and the number of threads, as text."""
        threads = f" with {self.threads} threads" if self.threads > 1 else ""
        interval = f" ({CONFIDENCE} % interval {self.interval})" if self.interval else ""
        return f"{self.figure} times as fast{threads}{interval}"


@dataclass(frozen=True)
class Measured:
    """The last benchmark; `missing`: why there is none, as a sentence."""

    lines: list[dict[str, Any]]
    where: str = ""
    missing: str = ""

    def gains(self, earlier: Version, later: Version) -> list[Gain]:
        """The gains of `later` over `earlier`, for each number of threads; empty if either was not timed.

        The ratios are those of the rounds that include both.
        """
        others = {line["threads"]: line for line in self.lines if line["name"] == earlier.name}
        found = []
        for line in self.lines:
            other = others.get(line["threads"]) or others.get(1)
            if line["name"] != later.name or other is None:
                continue
            if ratio := paired(times(other), times(line)):
                found.append(Gain(line["threads"], ratio, max(line["spread"], other["spread"]) > NOISE))
        return found

    def sentence(self, earlier: Version, later: Version) -> str:
        """A sentence with the gains, or how to measure them if they are unknown."""
        gains = self.gains(earlier, later)
        if not gains:
            reason = self.missing or f"the last benchmark did not time both {earlier.name} and {later.name}"
            return f"How much faster {later.name} is than {earlier.name} is not known: {reason}; {HOW}."
        figures = ", ".join(gain.words() for gain in gains)
        return f"Measured: {later.name} against {earlier.name} is {figures}; {self.where}."


def times(line: dict[str, Any]) -> dict[int, float]:
    """The seconds of each round that includes a version."""
    return dict(zip(line["rounds"], line["seconds"]))


def read(root: Path) -> Measured:
    """The last benchmark's times. A file that is missing, damaged or of another form gives a reason, not an error."""
    path = root / "build" / "bench" / "results.json"
    name = path.relative_to(root).as_posix()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        size, day, processor = int(content["size"]), str(content["began"])[:10], str(content["processor"]["name"])
        for line in content["versions"]:
            checked = line["name"] + "", line["threads"] + 0, line["spread"] + 0.0
            if not all(seconds > 0 for seconds in times(line).values()):
                raise ValueError(f"{checked[0]} has a time that is not above 0")
    except FileNotFoundError:
        return Measured([], missing=f"there is no {name} yet")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Measured([], missing=f"{name} can't be read")
    return Measured(content["versions"], f"{size} x {size} pixels on {processor}, {day}")
