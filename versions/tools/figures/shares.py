"""What each version spends its time on: measured by `figures --measure`, kept in versions/shares.json, and drawn."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from figures import kept
from figures.sketch import Sketch
from ladder.core import environment, processor, terminal, weights
from ladder.core.selection import select
from ladder.core.versions import ROOT, Version
from ladder.layers.layer_times import fastest_tenth
from ladder.layers.layer_worker import Clock, LayerTime, LayerWorker
from ladder.timing import cost, rounds
from ladder.timing.conditions import priority
from ladder.timing.rounds import Limits, Timings
from shared_weights.architecture import layers

FILE = Path("versions/shares.json")
SIZE, SECONDS = 224, 120  # pixels; for all rounds together
# A part of an inference: what the figure calls it, and its colour. From 10 on a convolution does the batch norm, the
# ReLU and the sum that follow it, and they count with it.
PARTS = {"convolutions": "blue", "reading weights": "orange", "the rest": "green"}
CONVOLUTIONS, READING, REST = PARTS


def measure(root: Path = ROOT) -> None:
    """Time the parts of every version in C and float32 that runs here, with one thread, and keep them in FILE.

    An inference's time is that of its layers: nothing lies between them. (04 took from 0.406 to 0.591 s in ten
    inferences on a Zen 3, and the sum of the layers was never more than 0.001 s less.)
    """
    versions = [version for version in select(root) if version.has_c()]
    clocks, timings, level = timed(versions)
    began = datetime.fromtimestamp(timings.began, UTC).isoformat(timespec="seconds")
    found: dict[str, Any] = {"processor": processor.name(), "began": began, "priority": level, "size": SIZE}
    found["versions"] = []
    for version, clock in zip(versions, clocks):
        runs = clock.layers[1:]  # without the warm-up
        found["versions"].append({"name": version.name, "inferences": len(runs), "seconds": parts(version, runs)})
    kept.write(root, FILE, found)


def timed(versions: Sequence[Version]) -> tuple[list[Clock], Timings, str | None]:
    """Time the versions in alternating rounds. Returns what was told of layers, of wholes, and at which priority."""
    timings = Timings()
    pythons = [environment.python(version) for version in versions]
    with ExitStack() as stack:
        report = stack.enter_context(terminal.still_progress(f"timing {len(versions)} versions"))
        workers = []
        for version, python in zip(versions, pythons):
            report(0, f"loading {version.name}")
            worker = LayerWorker(version.name, python, weights.find("synthetic"), size=SIZE, threads=1)
            workers.append(stack.enter_context(worker))
        clocks = [Clock(worker) for worker in workers]
        rounds.run(clocks, Limits(None, time.monotonic() + SECONDS), timings, lambda: None, report)
        return clocks, timings, priority(worker.process.pid for worker in workers)


def parts(version: Version, runs: Sequence[Sequence[LayerTime]]) -> dict[str, float]:
    """The seconds of each of PARTS: means over the fastest tenth of the inferences, which add up."""
    steps = cost.steps(layers(SIZE, SIZE), [layer.name for layer in runs[0]], version.fuses)
    fastest = fastest_tenth(runs, lambda run: sum(layer.seconds for layer in run))
    found = dict.fromkeys(PARTS, 0.0)
    for layer in (layer for run in fastest for layer in run):
        part = CONVOLUTIONS if steps[layer.name][0].kind == "convolution" else REST
        found[part] += (layer.seconds - layer.reading) / len(fastest)
        found[READING] += layer.reading / len(fastest)
    return found


def published(root: Path = ROOT) -> dict[str, Any]:
    """The measurement in FILE. Raises LadderError if there is none."""
    return kept.read(root, FILE)


def shares() -> Sketch:
    """A bar for each version, as long as every other: what its time is made of, and beside it how long that is."""
    found = published()
    top, step = 92, 31
    foot = top + step * len(found["versions"]) + 16
    page = Sketch("What each version spends its time on", foot + 84)
    x = 16.0
    for part, colour in PARTS.items():
        page.cell(x, 48, 16, 16, f"pale {colour}", colour)
        page.text(x + 24, 56, part, align="left")
        x += 54 + 9 * len(part)
    for number, version in enumerate(found["versions"]):
        bar(page, top + step * number, version["name"], version["seconds"])
    said = (
        "A bar is all of an inference; beside it, its time.",
        "From 10 on convolutions include what follows them.",
        f"{SIZE} x {SIZE} pixels, 1 thread, {found['processor']}",
    )
    for line, words in enumerate(said):
        page.text(16, foot + 24 * line, words, "quiet", align="left")
    return page


def bar(page: Sketch, y: float, name: str, seconds: dict[str, float]) -> None:
    """A version's bar, with the percentage of each part that has room for it."""
    left, width, height, whole = 132, 290, 24, sum(seconds.values())
    page.text(16, y + height / 2, name.replace("_", " "), align="left")
    x = float(left)
    for part, colour in PARTS.items():
        share = seconds[part] / whole
        page.cell(x, y, width * share, height, f"pale {colour}", colour)
        if share > 0.14:
            page.text(x + width * share / 2, y + height / 2, f"{100 * share:.0f} %")
        x += width * share
    page.text(508, y + height / 2, f"{1e3 * whole:.0f} ms", align="right")
