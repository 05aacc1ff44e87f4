"""Measure the throughput of `label` against pipelines of torch's DataLoader and ONNX Runtime.

Both prepare pictures with the same code, and must find the same classes. Runs take turns, in another order each round.
From the second round on only `label` and the three fastest pipelines run, and their medians count. `label` is timed
with the loading of its network, the pipelines without. Leave the machine alone meanwhile. After the first round Ctrl-C
ends it with what it has.
"""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("race")

import argparse
import csv
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from PIL import Image

from ladder.core import environment, terminal
from ladder.core.arguments import Parser, positive
from ladder.core.environment import variables
from ladder.core.errors import LadderError
from ladder.core.processor import processors
from ladder.core.selection import one_or_newest
from ladder.core.versions import ROOT
from ladder.timing import peers
from shared_weights import sets

SIDE = 224  # pixels of the network's input
STEPS = [["resize_shorter", 256], ["center_crop", SIDE]]
# The DataLoader's workers, ONNX Runtime's threads, the batch.
PIPELINES: list[tuple[int, ...]] = [*product((1, 2), (1, 2), (1, 8))]
FINALISTS = 3  # pipelines that run again after the first round
PIPELINE = Path(__file__).parent / "inside" / "pipeline.py"
Classes = dict[str, str]  # a file's name -> its label
Timed = tuple[float, Classes]  # seconds


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(prog="race", description=__doc__, epilog="Exit code 0; 1 if the classes differ; 2 for bad input.")
    top.add_argument("--pictures", type=positive, default=3000, metavar="N", help="how many (default: 3000)")
    top.add_argument("--rounds", type=positive, default=3, metavar="N", help="how often the fastest run (default: 3)")
    top.add_argument("--version", metavar="NAME", help="default: the newest in float32 that runs here")
    return top


def photographs(root: Path, home: Path, count: int) -> Path:
    """A folder of `count` crops of the pictures in pics/, as JPEG of many qualities; the same ones every time."""
    folder, numbers = home / f"{count}", random.Random(count)
    if folder.exists() and len(list(folder.iterdir())) == count:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(file for kind in ("jpg", "png") for file in (root / "pics").glob(f"*.{kind}"))
    pictures = [Image.open(file).convert("RGB") for file in files]
    for number in range(count):
        picture, share = numbers.choice(pictures), numbers.uniform(0.5, 1.0)
        width, height = (int(share * size) for size in picture.size)
        left, top = numbers.randint(0, picture.width - width), numbers.randint(0, picture.height - height)
        crop = picture.crop((left, top, left + width, top + height))
        crop.save(folder / f"{number:06}.jpg", quality=numbers.randint(60, 95))
    return folder


def weights_at(home: Path) -> Path:
    """The set synthetic, prepared as ImageNet's pictures are: a full-size network of 1000 classes."""
    synthetic, folder = sets.find("synthetic"), home / "synthetic_224"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("weights.safetensors", "labels.txt"):
        shutil.copyfile(synthetic / name, folder / name)
    settings = json.loads((synthetic / "preprocess.json").read_text()) | {"steps": STEPS}
    (folder / "preprocess.json").write_text(json.dumps(settings))
    return folder


def run_label(folder: Path, weights: Path, home: Path, version: str) -> Timed:
    """A run of `label` from nothing."""
    out = home / "labels.csv"
    for old in (out, out.with_suffix(".jsonl")):
        old.unlink(missing_ok=True)
    command = [sys.executable, "-m", "labelling", folder, "--out", out, "--weights", weights, "--version", version]
    began = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    with open(out, newline="", encoding="utf-8") as file:
        return seconds, {row["path"]: row["label"] for row in csv.DictReader(file)}


def run_pipeline(python: Path, source: Path, folder: Path, weights: Path, numbers: tuple[int, ...]) -> Timed:
    """A run of a pipeline; raises LadderError, with its last words, if it fails."""
    words = [PIPELINE, source, weights, weights / "model.onnx", folder, *numbers]
    done = subprocess.run([str(word) for word in [python, *words]], env=variables(), capture_output=True, text=True)
    if done.returncode:
        raise LadderError(f"the pipeline failed: {(done.stderr.strip().splitlines() or ['(no word)'])[-1]}")
    answer, labels = json.loads(done.stdout), sets.read_labels(weights)
    return answer["seconds"], {name: labels[index] for name, index in answer["classes"].items()}


def race(root: Path, pictures: int, rounds: int, version: str | None) -> int:
    """Time all in turns, and print a table. Returns the exit code."""
    chosen, home = one_or_newest(root, version), root / "build" / "race"
    environment.python(chosen)
    folder, weights, python = photographs(root, home, pictures), weights_at(home), peers.install(root)
    export = [python, "-m", "shared_weights", "structure", "--weights", weights, "--size", str(SIDE), "--onnx"]
    peers.report([peers.attempt("no ONNX file", [*export, weights / "model.onnx"], ROOT, PYTHONPATH=str(peers.TOOLS))])
    source = chosen.folder / "src"
    run_label(folder, weights, home, chosen.name)  # it compiles, and fills the cache of the file system
    seconds: dict[tuple[int, ...], list[float]] = {one: [] for one in [(), *PIPELINES]}
    found: dict[tuple[int, ...], Classes] = {}
    try:
        with terminal.progress("racing", len(seconds) + (rounds - 1) * (1 + FINALISTS)) as begin:
            for number in range(rounds):
                entrants = [(), *finalists(seconds)] if number else [*seconds]
                for one in random.sample(entrants, len(entrants)):
                    begin(name(one))
                    if one:
                        took, found[one] = run_pipeline(python, source, folder, weights, one)
                    else:
                        took, found[one] = run_label(folder, weights, home, chosen.name)
                    seconds[one].append(took)
    except KeyboardInterrupt:
        if not all(seconds.values()):
            raise
        report(seconds, found, pictures)
        return 130
    return report(seconds, found, pictures)


def finalists(seconds: dict[tuple[int, ...], list[float]]) -> list[tuple[int, ...]]:
    """The pipelines that were fastest in the first round."""
    return sorted(PIPELINES, key=lambda one: seconds[one][0])[:FINALISTS]


def name(one: tuple[int, ...]) -> str:
    """What a contestant is called."""
    if not one:
        return f"label, {processors()} processes"
    workers, threads, batch = one
    return f"workers: {workers}; ONNX Runtime, threads: {threads}, batch: {batch}"


def report(seconds: dict[tuple[int, ...], list[float]], found: dict[tuple[int, ...], Classes], pictures: int) -> int:
    """Print each rate, and `label`'s against the best of the finalists. Returns 1 if a class differs, else 0."""
    rates = {one: pictures / statistics.median(times) for one, times in seconds.items()}
    table = terminal.table(f"{pictures:,} pictures; workers: torch's DataLoader")
    table.add_column("")
    table.add_column("rounds", justify="right")
    table.add_column("pictures/s", justify="right")
    for one, rate in sorted(rates.items(), key=lambda item: -item[1]):
        table.add_row(name(one), str(len(seconds[one])), f"{rate:.1f}")
    console = terminal.output()
    console.print(table)
    best = max(finalists(seconds), key=lambda one: rates[one])
    console.print(f"label has {rates[()] / rates[best]:.2f} times the throughput of the best of the others.")
    different = sum(found[()][file] != label for file, label in found[best].items())
    if different or found[()].keys() != found[best].keys():
        console.print(f"{different} classes differ.")
        return 1
    console.print("All classes are the same.")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv`; returns the exit code."""
    arguments = vars(parser().parse_args(argv))
    return terminal.exit_code("race", lambda: race(ROOT, **arguments))


if __name__ == "__main__":
    command_line.run(main)
