"""The arguments of each command, as the ladder's options.py has them."""

import argparse

from ladder.core.arguments import VERSION_HELP, add_versions, pixels, positive


def rounding(command: argparse.ArgumentParser) -> None:
    """compare the versions with float64 on random networks

    Each seed makes two narrow networks, each with an image: one of four listed sizes, and one of any size, which
    versions that compile C for each size do not see. Special images follow: zeros, black, white, denormal numbers, NaN,
    infinity. A version in 8-bit integers is compared with the same network in integers in NumPy, to the last bit. The
    bits must be the same from run to run, in another process, and with other numbers of threads.
    """
    add_versions(command)
    command.add_argument("--seeds", type=positive, default=4, metavar="N", help="how many (default: 4)")
    command.add_argument("--layers", metavar="NAME", help="only this: each layer of a version, with its rounding bound")


def soak(command: argparse.ArgumentParser) -> None:
    """look for leaks in many inferences and loads

    Each version runs a narrow network again and again, then loads one again and again; versions without C do a
    hundredth of this. Memory, file descriptors and threads must be the same at the end as after the first hundred. Then
    the newest version runs the full network at 224 x 224 pixels. All outputs must stay the same.
    """
    add_versions(command)
    command.add_argument("--inferences", type=positive, default=10_000, metavar="N", help="default: 10000")
    command.add_argument("--loads", type=positive, default=300, metavar="N", help="default: 300")
    command.add_argument("--minutes", type=positive, default=5, metavar="N", help="with 224 x 224 pixels (default: 5)")


def checkers(command: argparse.ArgumentParser) -> None:
    """look for faults in the C with valgrind, gcc -fanalyzer and clang-tidy

    Memcheck watches a narrow network that is loaded, run and freed, twice; the analysers read all C, including the C
    generated for that network. The checks of clang-tidy are listed in .clang-tidy. Any finding is a failure.
    """
    add_versions(command)


def mutants(command: argparse.ArgumentParser) -> None:
    """check whether the tests notice bugs in the versions' sources

    Each mutant has one operator or one number changed, in a copy of the repository in build/mutants. The test files
    that `nox -s test` would run for it are run; they must have passed without it. Not every mutant is a bug: one that
    changes only speed, or nothing, survives correctly. Exit code 1 if any survives.
    """
    add_versions(command)
    command.add_argument("--count", type=positive, default=22, metavar="N", help="of each version (default: 22)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other mutants (default: 0)")


def sensitivity(command: argparse.ArgumentParser) -> None:
    """check whether `bench` detects a small slowdown, and none where there is none

    Times three copies of a version in each run: two as it is, and one whose worker waits after each inference for 2 %
    of the time that it took. The slowdown must be detected in nine of ten runs, and one between the two identical
    copies in at most one of ten. Leave the machine alone meanwhile.
    """
    command.add_argument("--version", metavar="NAME", help=f"{VERSION_HELP} (default: the newest that runs here)")
    command.add_argument("--runs", type=positive, default=20, metavar="N", help="default: 20")
    command.add_argument("--rounds", type=positive, default=200, metavar="N", help="of each run (default: 200)")
    command.add_argument("--size", type=pixels, default=64, metavar="N", help="pictures of N x N pixels (default: 64)")
