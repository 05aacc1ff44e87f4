"""The command-line parsers of this repository's tools, and the words that each knows."""

import argparse
import importlib
from functools import cache

PARSERS = {  # tool -> the function that makes its parser
    "mnist": ("mnist.cli", "parser"),
    "cv_basics": ("cv_basics.cli", "build_parser"),
    "shared_weights": ("shared_weights.__main__", "_parser"),
    "ladder": ("ladder.__main__", "parser"),
    "fuzzing": ("fuzzing.__main__", "parser"),
    "labelling": ("labelling.__main__", "parser"),
    "scrutiny": ("scrutiny.__main__", "parser"),
}


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every tool's parser."""
    return {tool: getattr(importlib.import_module(module), name)() for tool, (module, name) in PARSERS.items()}


@cache
def words(tool: str) -> list[str]:
    """The commands, options and listed values that a tool knows, sorted."""
    return sorted(known(parsers()[tool]))


def known(parser: argparse.ArgumentParser) -> set[str]:
    """The words of a parser and of its commands' parsers."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(action.option_strings, map(str, action.choices or ()))
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= known(command)
    return found
