"""`profile`: where the time goes in a version, layer by layer, and how near each layer is to what the machine can do.

Beside the plot it writes all figures as JSON, build/profile/VERSION.json (or ONE-OTHER.json for two versions), in
seconds, bytes and floating-point operations:

    {"processor": "AMD EPYC 9R14", "size": 224, "interrupted": false, "versions": [VERSION, ...]}

`size`: the picture's height and width in pixels; `interrupted`: whether Ctrl-C ended the measurement early. A VERSION
has the fields of `layer_times.Profile`, the sum of its rows' seconds, and how much longer the whole takes, relative to
that sum:

    {"version": "08_threads", "idea": "...", "threads": 2, "whole": [0.0246, ...], "whole_seconds": 0.0241,
     "peak": 5.4e11, "bandwidth": 4.1e10, "rows": [ROW, ...], "untold": [], "rows_seconds": 0.0239, "apart": 0.008}

A ROW is a layer with the fields of `layer_times.Row`, in the order in which the network runs:

    {"name": "conv1", "stage": "stem", "kind": "conv 7x7", "shape": [112, 112, 64], "seconds": 0.0009,
     "operations": 236027904, "bytes": 3851008, "limit": 0.0004}
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from ladder.core import environment, processor, terminal, weights
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover, find, obstacle
from ladder.layers import profile_text, roofline
from ladder.layers.layer_times import CLOSE, Profile, summarise
from ladder.layers.layer_worker import Clock, LayerWorker
from ladder.machine.bandwidth import Bandwidth
from ladder.timing import ratios, rounds
from ladder.timing.bench import SLOW_LIMIT, find_peak
from ladder.timing.bench_text import NOISE
from ladder.timing.contestants import Contestant, contestants
from ladder.timing.rounds import Limits, Timings
from shared_weights.architecture import layers
from shared_weights.tensor_file import appearing_whole

SIZE = 224  # pixels, where nothing else is asked for


def profile(
    root: Path,
    names: Iterable[str],
    size: int | None,
    threads: int,
    most: int | None,
    budget: float,
    as_json: bool = False,
    out: Path | None = None,
) -> int:
    """Time the layers of one version, or of two side by side; print the table (or JSON) and draw the roofline plot.

    `size`: pixels, by default SIZE, or SLOW_LIMIT if a version is slow; `threads`: for versions that have them; `most`:
    of rounds; `budget`: seconds for warm-up and rounds, of which one is run whatever the limits; `out`: the plot's file
    instead of build/profile/VERSION.png, the JSON file is written beside it.
    Returns the exit code: 1 if a version's layers do not add up to its whole. After Ctrl-C what was measured so far is
    shown, and the exit code is 130. Raises LadderError if a version can't be run, or if there are more than two.
    """
    versions = choose(root, names)
    size = size or choose_size(versions)
    entries = contestants(versions, [threads])
    workers = [(entry.name, environment.python(version), entry.threads) for entry, version in zip(entries, versions)]
    home = root / "build" / "profile"
    loops, unknown = find_peak(home)
    loops.threads = tuple(sorted({entry.threads for entry in entries}))
    memory, timings = Bandwidth(loops.threads), Timings()

    def measure_machine() -> None:
        loops.measure()
        memory.measure()

    clocks, interrupted = measure(workers, size, most, budget, timings, measure_machine)
    if not timings.rounds:
        terminal.note("ladder: interrupted before the first round had ended: there is nothing to show")
        return 130
    peaks, bandwidths = loops.best(), memory.best()
    profiles = [
        profile_of(entry, clock, size, timings, peaks.get(entry.threads), bandwidths[entry.threads])
        for entry, clock in zip(entries, clocks)
    ]
    plot = out or home / f"{'-'.join(profile.version for profile in profiles)}.png"
    found = {"processor": processor.name(), "size": size, "interrupted": interrupted}
    text = json.dumps(found | {"versions": [profile.as_json() for profile in profiles]}, indent=1)
    write(text, profiles, size, plot)
    if as_json:
        print(text)
    else:
        profile_text.show(profiles, size, unknown, interrupted, plot)
    doubts = [doubt for doubt in map(complaint, profiles) if doubt]
    for doubt in doubts:
        terminal.note(f"ladder: {doubt}")
    return 130 if interrupted else int(bool(doubts))


def choose(root: Path, names: Iterable[str]) -> list[Version]:
    """The named versions in the given order; raises LadderError if one can't run here, or if there are too many."""
    versions = discover(root)
    chosen = list(dict.fromkeys(find(versions, name) for name in names))
    if len(chosen) > 2:
        raise LadderError(f"profile shows one version or two side by side, not {len(chosen)}")
    for version in chosen:
        if reason := obstacle(version):
            raise LadderError(reason)
    return chosen


def choose_size(versions: Iterable[Version]) -> int:
    """The size for versions that were given none; says so if it is a small one."""
    slow = [version.name for version in versions if version.slow]
    if not slow:
        return SIZE
    terminal.note(f"{' and '.join(slow)}: slow, so the picture has {SLOW_LIMIT} pixels each way (--size for more)")
    return SLOW_LIMIT


def measure(
    workers: Sequence[tuple[str, Path, int]],
    size: int,
    most: int | None,
    budget: float,
    timings: Timings,
    between: Callable[[], None],
) -> tuple[list[Clock], bool]:
    """Time the workers, each a name, an interpreter and a number of threads; returns their clocks, and whether Ctrl-C
    came. The other arguments as for `profile` and `rounds.run`.
    """
    folder, clocks = weights.find("synthetic"), []
    with ExitStack() as stack:
        tell = stack.enter_context(terminal.still_progress(f"timing {' and '.join(name for name, _, _ in workers)}"))
        try:
            for name, python, threads in workers:
                tell(0, f"loading {name}")
                worker = stack.enter_context(LayerWorker(name, python, folder, size=size, threads=threads))
                clocks.append(Clock(worker))
            rounds.run(clocks, Limits(most, time.monotonic() + budget), timings, between, tell)
        except KeyboardInterrupt:
            return clocks, True
    return clocks, False


def profile_of(
    entry: Contestant, clock: Clock, size: int, timings: Timings, peak: float | None, bandwidth: float
) -> Profile:
    """The profile of a version that was timed; raises WorkerError as `summarise`."""
    whole = list(timings.seconds[entry.name].values())
    told = clock.layers[1 : 1 + len(whole)]  # without the warm-up, nor what was cut short
    return summarise(entry, layers(size, size), whole, told, peak, bandwidth)


def write(text: str, profiles: list[Profile], size: int, plot: Path) -> None:
    """The plot and, beside it, the JSON."""
    plot.parent.mkdir(parents=True, exist_ok=True)
    with appearing_whole(plot.with_suffix(".json")) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    roofline.draw(profiles, size, plot)


def complaint(profile: Profile) -> str | None:
    """What makes the profile doubtful, if its layers do not add up to the whole."""
    if abs(profile.apart) <= CLOSE:
        return None
    first, median, third = ratios.quartiles(profile.whole)
    noisy = "; the machine was noisy: end other programs and measure again" * ((third - first) / median > NOISE)
    return (
        f"{profile.version}: the whole takes {profile_text.difference(profile.apart)} than its layers together, and "
        f"{100 * CLOSE:.0f} % are allowed{noisy}"
    )
