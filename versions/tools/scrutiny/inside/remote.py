"""The program in a version's process. It is sent there as text and can import nothing but that version.

A request is the name of a function below and its arguments; the answer is the function's result. An image is passed as
its height, its width and the bytes of its float32 numbers; logits are returned as the bytes of theirs.
"""

import gc
import os
from contextlib import suppress
from time import perf_counter

import numpy as np
from resnet50 import PictureError, ResNet50, WeightsError

Image = tuple[int, int, bytes]
Answer = tuple[int, float, bytes]  # which image, the seconds it took, its logits


def process() -> int:
    """The process's number."""
    return os.getpid()


def infer(weights: str, images: list[Image], threads: int | None) -> list[bytes]:
    """The logits of each image, from a network loaded only for them; `threads`: if the version has threads."""
    net = ResNet50(weights, threads=threads) if threads else ResNet50(weights)
    return [net(array(image)).tobytes() for image in images]


def repeat(weights: str, images: list[Image], count: int) -> list[Answer]:
    """`count` inferences, on the images in turn, of a network loaded once for all calls; a bad image is rejected."""
    if weights not in networks:
        networks[weights] = ResNet50(weights)
    net, arrays = networks[weights], [array(image) for image in images]
    with suppress(PictureError):
        net(arrays[0][:31])
    answers = []
    for index in range(count):
        begin = perf_counter()
        logits = net(arrays[index % len(arrays)])
        answers.append((index % len(arrays), perf_counter() - begin, logits.tobytes()))
    return answers


def reload(weights: str, broken: str, image: Image, count: int) -> list[Answer]:
    """`count` times: load a network, run it once and free it; reject a broken one."""
    answers = []
    for _ in range(count):
        begin = perf_counter()
        [logits] = infer(weights, [image], None)
        answers.append((0, perf_counter() - begin, logits))
        with suppress(WeightsError):
            ResNet50(broken)
        gc.collect()
    return answers


def array(image: Image) -> np.ndarray:
    """float32 (height, width, 3)."""
    height, width, content = image
    return np.frombuffer(content, np.float32).reshape(height, width, 3)


networks: dict[str, ResNet50] = {}

if __name__ == "__channelexec__":
    np.seterr(all="ignore")  # as the command line does: NaN and infinity propagate to the logits
    for name, arguments in channel:  # type: ignore[name-defined]  # noqa: F821 (execnet defines it)
        channel.send(globals()[name](*arguments))  # type: ignore[name-defined]  # noqa: F821
