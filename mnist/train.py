"""The training loop: batches in a new order each epoch, a gradient and a step for each, then validation."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mnist.data import Digits, Parts
from mnist.errors import MnistError
from mnist.evaluate import evaluate
from mnist.run import Epoch, Run
from mnist.shards import ShardedNetwork, sharded
from mnist.vary import varied
from mnist.weights import save_tensors

# The random streams of a run: (seed, stream, epoch, ...). The initial weights use the seed alone.
ORDER, MASKS, COPIES = 0, 1, 2


def train(run: Run, parts: Parts, console: Console, folder: Path | None = None, threads: int | None = None) -> None:
    """Train for the rest of the run's epochs, showing a progress bar.

    With a folder, the best weights go to weights.safetensors there, and the run to checkpoint.safetensors: before the
    first batch, after each epoch, and on Ctrl-C, which ends the current batch first; then KeyboardInterrupt is raised.
    Raises MnistError if the loss is no longer finite, OutputError if a file cannot be written.
    """
    options = run.options

    def save() -> None:
        if folder:
            run.save(folder / "checkpoint.safetensors")

    with (
        interruptible() as interrupted,
        sharded(run.parameters, threads, options.dropout) as network,
        progress_bar(console, options.epochs * len(parts.train)) as show,
    ):
        save()  # a full disk is noticed now, not after an epoch
        while len(run.epochs) < options.epochs:
            for _ in batches(run, network, parts.train):
                show(run, parts)
                if interrupted():
                    save()
                    raise KeyboardInterrupt
            epoch = measure(run, network, parts)
            if run.finish_epoch(epoch) and folder:
                save_tensors(folder / "weights.safetensors", run.best, about_weights(run, parts))
            save()
            console.print(
                f"epoch {len(run.epochs)}: loss {epoch.loss:.4f}, {epoch.accuracy:.2%} right; "
                f"validation {epoch.validation_loss:.4f}, {epoch.validation_accuracy:.2%}; "
                f"{len(parts.train) / epoch.seconds:.0f} pictures/s"
            )


def batches(run: Run, network: ShardedNetwork, digits: Digits) -> Iterator[None]:
    """Train for the rest of an epoch, one batch per step of the iterator."""
    options, epoch = run.options, len(run.epochs)
    per_epoch = math.ceil(len(digits) / options.batch)
    order = np.random.default_rng((options.seed, ORDER, epoch)).permutation(len(digits))
    for start in range(run.batches * options.batch, len(digits), options.batch):
        began = time.perf_counter()
        batch = digits[order[start : start + options.batch]]
        images = batch.images
        if options.copies:
            images = varied(images, batch.labels, np.random.default_rng((options.seed, COPIES, epoch, run.batches)))
        gradients, loss, right = network.gradients(images, batch.labels, (options.seed, MASKS, epoch, run.batches))
        if not np.isfinite(loss):
            raise MnistError(f"the loss is {loss} in epoch {epoch + 1}: use a smaller --learning-rate")
        # The learning rate falls linearly to 0: large steps to get near the minimum, small ones to settle in it.
        run.optimizer.step(gradients, 1 - run.optimizer.steps / (options.epochs * per_epoch))
        run.batches += 1
        run.loss += loss
        run.right += right
        run.seconds += time.perf_counter() - began
        yield


def measure(run: Run, network: ShardedNetwork, parts: Parts) -> Epoch:
    """The results of the epoch that has just ended."""
    validation = evaluate(network, parts.validation)
    count = len(parts.train)
    return Epoch(run.loss / count, run.right / count, validation.loss, validation.accuracy, run.seconds)


def about_weights(run: Run, parts: Parts) -> dict:
    """What a weight file says about where it comes from."""
    return {
        "trained": f"{len(parts.train)} digits, {len(run.epochs)} epochs of {run.options}",
        "validation_accuracy": run.epochs[-1].validation_accuracy,
    }


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether Ctrl-C has been pressed; pressed again, it acts as usual.

    So a batch is never left half done, with only some of the parameters updated.
    """
    pressed = False

    def handle(signum: int, frame: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[Callable[[Run, Parts], None]]:
    """A progress bar over all epochs' pictures; yields the function that advances it."""
    columns = [
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[accuracy]:.2%}"),
        TextColumn("{task.fields[speed]:.0f} pictures/s"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total, epoch=1, loss=0.0, accuracy=0.0, speed=0.0)

        def show(run: Run, parts: Parts) -> None:
            count = len(parts.train)
            seen = min(run.batches * run.options.batch, count)
            progress.update(
                task,
                completed=len(run.epochs) * count + seen,
                epoch=f"{len(run.epochs) + 1}/{run.options.epochs}",
                loss=run.loss / seen,
                accuracy=run.right / seen,
                speed=seen / run.seconds,
            )

        yield show
