"""A batch in shards: several threads, each with a network of its own over the same parameters.

The gradient of a sum is the sum of the gradients, so the pictures of a batch can be divided and the gradients added.
NumPy releases the GIL inside its loops, so the threads really run in parallel, each with one BLAS thread, and
what BLAS alone would leave to one core (im2col, pooling, dropout) runs on all. The shards are the same, and added in
the same order, whatever the number of threads: it changes the speed, never a bit of the result.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np
from threadpoolctl import threadpool_limits

from mnist.layers import Array
from mnist.network import Network, Parameters

# 32 pictures: enough for matrix products at full speed, few enough for four threads to share a batch of 128.
SHARD = 32


class ShardedNetwork:
    """Networks that share their parameters, and the threads that run them. Made by `sharded`."""

    def __init__(self, parameters: Parameters, pool: ThreadPoolExecutor, threads: int, dropout: bool) -> None:
        self.pool = pool
        self.idle: SimpleQueue[Network] = SimpleQueue()  # one network per thread
        for _ in range(threads):
            self.idle.put(Network(parameters, dropout))

    @contextmanager
    def network(self) -> Iterator[Network]:
        """A network that no other thread is using."""
        network = self.idle.get()
        try:
            yield network
        finally:
            self.idle.put(network)

    def gradients(self, images: Array, labels: Array, seed: tuple[int, ...]) -> tuple[Parameters, float, int]:
        """One training pass over a batch: images uint8 (N, 28, 28), labels uint8 (N,).

        Returns the gradients of the batch's mean loss, the sum of its losses, and how many it named correctly. `seed`,
        followed by the shard's number, seeds that shard's dropout masks.
        """

        def shard_gradients(number: int, part: slice) -> tuple[Parameters, float, int]:
            # A loss that diverges is for the caller to notice; NumPy need not warn.
            with self.network() as network, np.errstate(over="ignore", invalid="ignore"):
                logits = network.forward(images[part], np.random.default_rng((*seed, number)))
                losses = network.loss.forward(logits, labels[part])
                gradients = network.backward(network.loss.backward() / len(labels))
                return gradients, float(losses.sum()), count_right(logits, labels[part])

        parts = self.pool.map(shard_gradients, *zip(*enumerate(shards(len(labels))), strict=True))
        gradients, loss, right = next(parts)
        for more_gradients, more_loss, more_right in parts:
            for name, gradient in gradients.items():
                gradient += more_gradients[name]
            loss, right = loss + more_loss, right + more_right
        return gradients, loss, right

    def logits(self, images: Array) -> Array:
        """images: uint8 (N, 28, 28) -> logits (10, N), without dropout."""

        def shard_logits(part: slice) -> Array:
            with self.network() as network:
                return network.forward(images[part])

        return np.concatenate(list(self.pool.map(shard_logits, shards(len(images)))), axis=1)


@contextmanager
def sharded(parameters: Parameters, threads: int | None = None, dropout: bool = True) -> Iterator[ShardedNetwork]:
    """A ShardedNetwork for the length of a `with` block. threads: one per processor if None."""
    if threads is None:  # sched_getaffinity respects taskset and containers, but only Linux has it
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        yield ShardedNetwork(parameters, pool, threads, dropout)


def shards(count: int) -> list[slice]:
    """The shards of `count` pictures, the last one perhaps smaller."""
    return [slice(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


def count_right(logits: Array, labels: Array) -> int:
    """How many columns of logits (classes, N) are largest at their label (N,)."""
    return int((logits.argmax(axis=0) == labels).sum())
