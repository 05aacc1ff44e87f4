"""What a word on the command line may be: functions for argparse, which makes their errors a line."""

import argparse
from pathlib import Path


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def thread_counts(text: str) -> list[int]:
    """Numbers of threads with commas between them."""
    return [thread_count(part) for part in text.split(",")]


def thread_count(text: str) -> int:
    """A number of threads."""
    if positive(text) > 1024:
        raise argparse.ArgumentTypeError(f"{text} is more than 1024 threads")
    return int(text)


def channels(text: str) -> int:
    """A number of feature maps that fit beside one another."""
    if positive(text) > 32:
        raise argparse.ArgumentTypeError(f"{text} is more than 32 channels")
    return int(text)


def path(text: str) -> Path:
    """A file or folder; an empty name, as of a variable that is not set, does not mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is neither a file nor a folder")
    return Path(text)


def png(text: str) -> Path:
    """A file to draw into."""
    if Path(text).suffix != ".png":
        raise argparse.ArgumentTypeError(f"{text} does not end with .png")
    return Path(text)


def pixels(text: str) -> int:
    """The height of a picture that every version takes."""
    if not 32 <= positive(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not between 32 and 1024")
    return int(text)
