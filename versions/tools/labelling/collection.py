"""The pictures of a folder, one after the other: their number does not matter."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from labelling.entries import Task
from ladder.core.pictures import Refused, looks_like_a_picture, walk
from ladder.core.versions import Version
from ladder.timing.conditions import sources

FILES = ("weights.safetensors", "labels.txt", "preprocess.json")  # of a weight set


def network(version: Version, weights: Path) -> str:
    """The version, the weight set, and a digest of all in both that a label can depend on."""
    digest = hashlib.sha256(sources(version).encode())
    for name in [*FILES, *(["quantisation.json"] if version.int8 else [])]:
        with open(weights / name, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{version.name} {weights.name} {digest.hexdigest()[:16]}"


def tasks(folder: Path, network: str, complaints: list[Refused]) -> Iterator[Task]:
    """A task for each file in `folder` that looks like a picture, as `classify` takes them.

    A complaint is added for each folder that cannot be read.
    """
    for file in walk(folder, complaints):
        if not looks_like_a_picture(file):
            continue
        path = os.path.relpath(file, folder)
        try:
            status = file.stat()
        except OSError:  # such as a link that leads nowhere
            yield Task(path, None, None, network)
        else:
            yield Task(path, status.st_size, status.st_mtime_ns, network)
