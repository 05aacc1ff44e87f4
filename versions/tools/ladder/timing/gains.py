"""The gain of one version over another, in the runs of the benchmark that are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ladder.core.versions import Version
from ladder.timing import conditions, history
from ladder.timing.bench_text import NOISE, rounded
from ladder.timing.history import Run, Today
from ladder.timing.ratios import CONFIDENCE, Ratio, paired

USUAL = 224  # pixels; gains at this size come first


@dataclass(frozen=True)
class Gain:
    """The speed-up of one version over another, with these `threads`; `noisy`: only two digits are significant.

    `where`: what was measured, where and when; `stale`: why it does not hold for today, empty if it does.
    """

    threads: int
    ratio: Ratio
    noisy: bool
    where: str
    stale: str

    @property
    def figure(self) -> str:
        """The ratio as text, without its interval."""
        return rounded(self.ratio.median, self.noisy)

    @property
    def interval(self) -> str:
        """The ratio's confidence interval as text."""
        return " to ".join(rounded(end, self.noisy) for end in self.ratio.interval)

    @property
    def source(self) -> str:
        """Where the ratio comes from, and whether it is stale."""
        return self.where + f"; stale: {self.stale}" * bool(self.stale)

    def words(self) -> str:
        """The ratio, its interval and the number of threads, as text."""
        threads = f" with {self.threads} threads" if self.threads > 1 else ""
        return f"{self.figure} times as fast{threads} ({CONFIDENCE} % interval {self.interval})"


@dataclass(frozen=True)
class Measured:
    """The runs that gains are taken from, the newest first, and what makes them current."""

    runs: list[Run]
    today: Today

    def gains(self, earlier: Version, later: Version) -> list[Gain]:
        """The gains of `later` over `earlier`, for each number of threads; empty if no run has timed both.

        Each is the newest of those that still hold, at USUAL pixels if there is one; else the newest stale one.
        """
        sources = {version.name: conditions.sources(version) for version in (earlier, later)}
        runs = [(self.today.stale(run, sources), run) for run in self.runs]
        found: dict[int, Gain] = {}
        for stale, run in sorted(runs, key=lambda one: (bool(one[0]), one[1]["size"] != USUAL)):
            for gain in gains_in(run, earlier.name, later.name, stale):
                found.setdefault(gain.threads, gain)
        return [found[threads] for threads in sorted(found)]

    def sentence(self, earlier: Version, later: Version) -> str:
        """Sentences with the gains, or how to measure them if they are unknown."""
        gains = self.gains(earlier, later)
        if not gains:
            small = " --size 64" if earlier.slow else ""
            how = f"`nox -s bench -- --versions {earlier.number} {later.number}{small}` measures it"
            return f"How much faster {later.name} is than {earlier.name} was not measured: {how}."
        return " ".join(
            f"Measured: {later.name} against {earlier.name} is "
            f"{', '.join(gain.words() for gain in gains if gain.source == source)}; {source}."
            for source in dict.fromkeys(gain.source for gain in gains)
        )


def gains_in(run: Run, earlier: str, later: str, stale: str) -> Iterator[Gain]:
    """The gains of `later` over `earlier` in one run, for each number of threads with which both were timed."""
    others = {line["threads"]: line for line in run["versions"] if line["name"] == earlier}
    for line in run["versions"]:
        other = others.get(line["threads"]) or others.get(1)
        if line["name"] != later or other is None:
            continue
        if ratio := paired(history.seconds(other), history.seconds(line), run["starts"]):
            noisy = max(line["spread"], other["spread"]) > NOISE
            yield Gain(line["threads"], ratio, noisy, history.where(run), stale)


def read(root: Path) -> Measured:
    """All runs that gains can be taken from: those whose rounds nothing disturbed."""
    runs = [run for run in history.runs(root) if not run["conditions"]["busy"] and not run["disturbed"]]
    return Measured(runs, history.today())
