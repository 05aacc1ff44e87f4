"""Training speed against PyTorch: the same network, batch, optimiser and number of threads, in alternating rounds.

Each competitor is a process of its own, so that no idle thread of one spins while another is measured; the rounds
alternate, so that a change in the machine's speed affects all alike, and ratios are taken round by round.
"""

import importlib.util
import multiprocessing
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mnist.data import Digits, embedded
from mnist.errors import MnistError
from mnist.network import initial_parameters
from mnist.optimizers import RMSprop
from mnist.shards import sharded

OURS = "mnist (NumPy)"
BATCHES = 32  # per measurement: about a second


def bench(console: Console, rounds: int, batch: int, threads: int) -> None:
    """Measure and print pictures per second. Raises MnistError without torch, or if a competitor's process dies."""
    if importlib.util.find_spec("torch") is None:
        raise MnistError("bench needs PyTorch, which is not installed here: pip install torch")
    spawn = multiprocessing.get_context("spawn")
    connections = {}
    for name in COMPETITORS:
        connections[name], end = spawn.Pipe()
        spawn.Process(target=compete, args=(name, end, batch, threads), daemon=True).start()
        end.close()  # the process has its own; with this one open, its death would never be noticed
    seconds: dict[str, list[float]] = {name: [] for name in COMPETITORS}
    for number in track(range(-1, rounds), "rounds", console=console, transient=True):  # -1 warms up
        names = list(COMPETITORS) if number % 2 else list(reversed(COMPETITORS))
        for name in names:
            try:
                connections[name].send("go")
                seconds[name].append(connections[name].recv())
            except (EOFError, OSError) as error:
                raise MnistError(f"the process of {name} has ended: its message is above") from error
    pictures = BATCHES * batch
    speeds = {name: pictures / np.array(measured[1:]) for name, measured in seconds.items()}
    console.print(table(speeds, f"training, batch {batch}, {threads} threads, {rounds} rounds"))


def table(speeds: dict[str, np.ndarray], title: str) -> Table:
    """A table of `speeds`: for each competitor the pictures per second in each round."""
    result = Table(title=title)
    for column in ("", "median pictures/s", "quartiles", "ours / theirs", "95 % confidence"):
        result.add_column(column, justify="left" if not column else "right")
    for name, speed in speeds.items():
        quartiles = np.percentile(speed, [25, 75])
        ratios = sorted(speeds[OURS] / speed)
        low, high = median_interval(ratios)
        own = name == OURS
        result.add_row(
            name,
            f"{statistics.median(speed):.0f}",
            f"{quartiles[0]:.0f} to {quartiles[1]:.0f}",
            "" if own else f"{statistics.median(ratios):.2f}",
            "" if own else f"{low:.2f} to {high:.2f}",
        )
    return result


def median_interval(ordered: list[float]) -> tuple[float, float]:
    """A 95 % confidence interval of the median: the values about 1.96 standard deviations of Binomial(n, 1/2) to both
    sides of the middle one."""
    count = len(ordered)
    reach = 1.96 * count**0.5 / 2
    low = max(int(count / 2 - reach), 0)
    return ordered[low], ordered[count - 1 - low]


def compete(name: str, connection: Connection, batch: int, threads: int) -> None:
    """A competitor's process: measures BATCHES batches each time it is asked to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and that ends this process
    digits = embedded().train[: BATCHES * batch]
    with suppress(EOFError):
        COMPETITORS[name](digits, batch, threads, connection)


def measure_on_request(connection: Connection, digits: Digits, batch: int, step: Callable[[Digits], None]) -> None:
    """Answer each message with the seconds that `step` takes over all batches."""
    while connection.recv():
        began = time.perf_counter()
        for start in range(0, BATCHES * batch, batch):
            step(digits[np.arange(start, start + batch) % len(digits)])
        connection.send(time.perf_counter() - began)


def ours(digits: Digits, batch: int, threads: int, connection: Connection) -> None:
    """A competitor: this folder's training step."""
    parameters = initial_parameters(0)
    optimizer = RMSprop(parameters)
    with sharded(parameters, threads) as network:

        def step(part: Digits) -> None:
            optimizer.step(network.gradients(part.images, part.labels, (0, optimizer.steps))[0])

        measure_on_request(connection, digits, batch, step)


def pytorch(digits: Digits, batch: int, threads: int, connection: Connection, channels_last: bool = False) -> None:
    """A competitor: PyTorch's training step, in eager mode, from the same uint8 pictures."""
    import torch

    from mnist.pytorch import OPTIMIZERS, as_input, same_network

    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = same_network(initial_parameters(0)).to(memory_format=layout)
    optimizer = OPTIMIZERS["rmsprop"](network.parameters(), RMSprop.learning_rate)

    def step(part: Digits) -> None:
        optimizer.zero_grad()
        x = as_input(part.images, torch.float32).contiguous(memory_format=layout)
        torch.nn.functional.cross_entropy(network(x), torch.from_numpy(part.labels.astype(np.int64))).backward()
        optimizer.step()

    measure_on_request(connection, digits, batch, step)


def pytorch_channels_last(digits: Digits, batch: int, threads: int, connection: Connection) -> None:
    """A competitor: PyTorch's training step in the layout that suits its convolutions better."""
    pytorch(digits, batch, threads, connection, channels_last=True)


COMPETITORS = {OURS: ours, "PyTorch": pytorch, "PyTorch, channels last": pytorch_channels_last}
