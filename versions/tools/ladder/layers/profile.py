"""`profile`: where the time goes in a version, layer by layer, and how close each layer is to the machine's limits.

Besides the plot it writes all figures as JSON, build/profile/VERSION.json (or ONE-OTHER.json for two versions), in
seconds, bytes and floating-point operations:

    {"processor": "AMD EPYC 9R14", "size": 224, "interrupted": false, "versions": [VERSION, ...]}

`size`: the picture's height and width in pixels; `interrupted`: whether Ctrl-C ended the measurement early. A VERSION
has the fields of `layer_times.Profile`, the sum of its rows' seconds, and how much longer the whole takes, relative to
that sum:

    {"version": "08_threads", "idea": "...", "threads": 2, "whole": [0.0246, ...], "whole_seconds": 0.0241,
     "peak": 5.4e11, "bandwidth": 4.1e10, "rows": [ROW, ...], "untold": [], "int8": false, "rows_seconds": 0.0239,
     "apart": 0.008}

A ROW is a layer, or a step of several in one under the last one's name, with the fields of `layer_times.Row`, in the
order in which the network runs:

    {"name": "conv1", "stage": "stem", "kind": "conv 7x7", "shape": [112, 112, 64], "seconds": 0.0009,
     "operations": 236027904, "done": 236027904, "bytes": 3851008, "limit": 0.0004}

`done` differs from `operations` where a convolution is computed in another way than it is defined.
"""

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core import environment, processor, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.layers import profile_text, roofline
from ladder.layers.layer_times import CLOSE, Profile, alike, summarise
from ladder.layers.layer_worker import Clock, LayerWorker
from ladder.machine.bandwidth import Bandwidth
from ladder.machine.peak import Peak
from ladder.timing import ratios, rounds
from ladder.timing.bench import SLOW_LIMIT, find_peak
from ladder.timing.bench_text import NOISE
from ladder.timing.contestants import Contestant, contestants
from ladder.timing.rounds import Limits, Timings
from ladder.timing.work import really_done
from shared_weights.architecture import layers
from shared_weights.tensor_file import appearing_whole

SIZE = 224  # pixels, unless another size is given


@dataclass(frozen=True)
class Settings:
    """The settings of `profile`.

    `names`: one version or two; `size`: pixels, by default SIZE, or SLOW_LIMIT if a version is slow; `threads`: for
    versions that have threads, by default one for each processor; `rounds`: the most rounds; `seconds`: the most time
    for warm-up and rounds, of which one is run whatever the limits; `out`: the plot's file instead of
    build/profile/VERSION.png, beside which the JSON file goes; `as_json`: print the JSON instead of the table.
    """

    names: Sequence[str]
    size: int | None = None
    threads: int | None = None
    rounds: int | None = None
    seconds: float = 20
    as_json: bool = False
    out: Path | None = None


def profile(root: Path, **settings: Any) -> int:
    """Time the layers of one version, or of two side by side; print the table (or JSON) and draw the roofline plot.

    `settings`: the fields of `Settings`. Returns the exit code: 1 if a version's layers do not add up to its whole.
    After Ctrl-C the measurements so far are shown, and the exit code is 130. Raises LadderError if a version can't be
    run, or if there are more than two.
    """
    wanted = Settings(**settings)
    versions = choose(root, wanted.names)
    size = wanted.size or choose_size(versions)
    entries = contestants(versions, [wanted.threads or processor.processors()])
    home = root / "build" / "profile"
    loops, unknown = find_peak(home, any(version.int8 for version in versions))
    profiles, interrupted = measure(entries, size, wanted, loops)
    if not profiles:
        terminal.note("ladder: interrupted before the end of the first round: there is nothing to show")
        return 130
    plot = wanted.out or home / f"{'-'.join(profile.version for profile in profiles)}.png"
    found = {"processor": processor.name(), "size": size, "interrupted": interrupted}
    text = json.dumps(found | {"versions": [profile.as_json() for profile in profiles]}, indent=1)
    write(text, profiles, size, plot)
    if wanted.as_json:
        print(text)
    else:
        profile_text.show(profiles, size, unknown, interrupted, plot)
    doubts = [doubt for doubt in map(complaint, profiles) if doubt]
    for doubt in doubts:
        terminal.note(f"ladder: {doubt}")
    return 130 if interrupted else int(bool(doubts))


def choose(root: Path, names: Sequence[str]) -> list[Version]:
    """The one or two named versions in the given order; raises LadderError if one can't run, or if there are more."""
    chosen = select(root, names, must_run=True)
    if len(chosen) > 2:
        raise LadderError(f"profile shows one version or two side by side, not {len(chosen)}")
    return chosen


def choose_size(versions: Iterable[Version]) -> int:
    """The picture's size if none was given; prints a note if it is the small one."""
    slow = [version.name for version in versions if version.slow]
    if not slow:
        return SIZE
    terminal.note(f"{' and '.join(slow)}: slow, so the picture has {SLOW_LIMIT} pixels each way (--size for more)")
    return SLOW_LIMIT


def measure(entries: list[Contestant], size: int, wanted: Settings, loops: Peak) -> tuple[list[Profile], bool]:
    """The profiles of the versions, none if Ctrl-C came in the first round; and whether Ctrl-C came."""
    loops.threads = tuple(sorted({entry.threads for entry in entries}))
    memory, timings, interrupted = Bandwidth(loops.threads), Timings(), False
    pythons = [environment.python(entry.version) for entry in entries if entry.version]
    limits = Limits(wanted.rounds, time.monotonic() + wanted.seconds)  # builds do not count
    clocks: list[Clock] = []

    def measure_machine() -> None:
        loops.measure()
        memory.measure()

    with ExitStack() as stack:
        names = " and ".join(entry.name for entry in entries)
        report = stack.enter_context(terminal.still_progress(f"timing {names}"))
        try:
            for entry, python in zip(entries, pythons):
                report(0, f"loading {entry.name}")
                what = entry.name, python, weights.find("synthetic")
                clocks.append(Clock(stack.enter_context(LayerWorker(*what, size=size, threads=entry.threads))))
            rounds.run(clocks, limits, timings, measure_machine, report)
        except KeyboardInterrupt:
            interrupted = True
    if not timings.rounds:
        return [], interrupted
    peaks, bandwidths = {int8: loops.best(int8) for int8 in {entry.int8 for entry in entries}}, memory.best()
    profiles = [
        profile_of(entry, clock, size, timings, peaks[entry.int8].get(entry.threads), bandwidths[entry.threads])
        for entry, clock in zip(entries, clocks)
    ]
    if len({entry.version.fuses for entry in entries if entry.version}) > 1:
        profiles = alike(profiles, layers(size, size))
    return profiles, interrupted


def profile_of(
    entry: Contestant, clock: Clock, size: int, timings: Timings, peak: float | None, bandwidth: float
) -> Profile:
    """The profile of a version that was timed; raises WorkerError as `summarise` does."""
    whole = list(timings.seconds[entry.name].values())
    runs = clock.layers[1 : 1 + len(whole)]  # without the warm-up and an interrupted round
    one = entry.version
    works = really_done(one, environment.python(one), weights.find("synthetic"), size) if one else {}
    return summarise(entry, layers(size, size), works, whole, runs, peak, bandwidth)


def write(text: str, profiles: list[Profile], size: int, plot: Path) -> None:
    """Write the plot and, beside it, the JSON."""
    plot.parent.mkdir(parents=True, exist_ok=True)
    with appearing_whole(plot.with_suffix(".json")) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    roofline.draw(profiles, size, plot)


def complaint(profile: Profile) -> str | None:
    """A sentence if the profile's layers do not add up to the whole, else None."""
    if abs(profile.apart) <= CLOSE:
        return None
    first, median, third = ratios.quartiles(profile.whole)
    noisy = ""
    if len(profile.whole) == 1:
        noisy = "; it was measured only once: close other programs, or allow more --seconds"
    elif (third - first) / median > NOISE:
        noisy = "; the machine was noisy: close other programs and measure again"
    return (
        f"{profile.version}: the whole takes {profile_text.difference(profile.apart)} than its layers together, where "
        f"{100 * CLOSE:.0f} % is allowed{noisy}"
    )
