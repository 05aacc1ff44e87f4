"""Timed inferences of pictures and arrays, and the worker that the repository's tools drive."""

import json
import os
import sys
from time import perf_counter

import numpy as np

from . import PictureError, ResNet50, console
from .network import checked


def load_picture(net: ResNet50, path: str) -> np.ndarray:
    """A picture file, prepared for the network."""
    with console.silence():
        return net.preprocess(path)


def load_image(net: ResNet50, path: str) -> np.ndarray:
    """An .npy file as it is, any other file as a picture."""
    if not path.endswith(".npy"):
        return load_picture(net, path)
    if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe would wait for a writer
        raise PictureError(f"{path}: not a file")
    try:
        return np.load(path, allow_pickle=False)
    except MemoryError as error:
        raise PictureError(f"{path}: not enough memory for this array") from error
    except Exception as error:  # a damaged file may raise anything in the readers of NumPy and zipfile
        raise PictureError(f"{path}: cannot be read as .npy: {getattr(error, 'strerror', None) or error}") from error


def infer(net: ResNet50, image: np.ndarray, name: str) -> tuple[np.ndarray, float]:
    """The logits and the seconds they took; an error about the image names its file.

    What must be made for the first image of a size does not count.
    """
    try:
        net.plan(*checked(image).shape[:2])
        start = perf_counter()
        logits = net(image)
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from error
    return logits, perf_counter() - start


def work(net: ResNet50, random_image: np.ndarray, load_seconds: float) -> int:
    """Answers each line of stdin with a line of JSON, until the input ends.

    A line names a picture or an .npy file; an empty one stands for `random_image`. So the tools can run the versions
    in turns, one inference at a time.
    """
    console.say(json.dumps({"load_seconds": load_seconds}))
    for path in console.lines():
        try:
            logits, seconds = infer(net, load_image(net, path) if path else random_image, path or "random image")
            answer = {"seconds": seconds, "peak_memory": peak_memory(), "logits": logits.tolist()}
        except PictureError as error:
            answer = {"error": str(error)}
        console.say(json.dumps(answer))
    return 0


def peak_memory() -> int | None:
    """The most bytes this process has ever held in memory, or None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
