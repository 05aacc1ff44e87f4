"""Command lines in a child: what is more or less than is promised is seen."""

import os
import sys
from collections.abc import Callable

import pytest

from fuzzing.child.commands import Refused, run
from fuzzing.parsers import PARSERS, words


def ending(code: int, words: str = "") -> Callable[[], int]:
    """A command that writes to stderr and ends."""
    return lambda: sys.stderr.write(words) * 0 + code


def test_silence_and_a_refusal_in_one_line_are_as_promised(capfd):
    run(ending(0), "")
    with pytest.raises(Refused, match="because"):
        run(ending(2, "because\n"), "")
    with pytest.raises(Refused, match="first"):
        run(ending(2, "first\nsecond\n"), "", most_lines=2)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (ending(1, "because\n"), "exit code 1"),
        (ending(2), "exit code 2, but on stderr: ''"),
        (ending(0, "by the way\n"), "exit code 0, but on stderr"),
        (ending(2, "first\nsecond\n"), "more than a line"),
        (ending(2, "Traceback\n"), "Traceback"),
        (lambda: os.write(2, b"from C\n") * 0, "not Python"),
    ],
)
def test_a_broken_promise_is_seen(command: Callable[[], int], reason: str, capfd):
    with pytest.raises(AssertionError, match=reason):
        run(command, "")


def test_the_words_of_the_tools_are_those_of_their_parsers():
    assert {"bench", "--peers", "--threads", "carry", "--from", "release"} <= set(words("ladder"))
    assert {"rounding", "--seeds"} <= set(words("scrutiny")) and {"train", "--epochs", "adam"} <= set(words("mnist"))
    assert all(words(tool) for tool in PARSERS)
