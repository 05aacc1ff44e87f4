"""The arguments of the commands of this package, as ladder/options.py has those of the others."""

import argparse

from ladder.core.arguments import VERSION_HELP, path


def diff(command: argparse.ArgumentParser) -> None:
    """show how two versions differ, or the ladder as a table

    With a version and its predecessor: the idea, the measured gain, the 30 to 100 lines that hold the idea, and then
    the files and their lines, source first. With two others: the same without those lines. With one: it and its
    predecessor. With a file: its lines alone. Lines far from any change are left out, and of tests, README.md and
    pyproject.toml all are. Without versions: a table of all, with their sizes and gains. Gains are those that `bench`
    has measured; a gain is stale if a version, the compiler or the processor has changed since.
    """
    command.add_argument(
        "names",
        nargs="*",
        metavar="VERSION",
        help=f"{VERSION_HELP}; the older one first; after them a file's name, or the end of its path: 06 07 tiles.py",
    )
    extent = command.add_mutually_exclusive_group()
    extent.add_argument("--full", action="store_true", help="show all lines of all files")
    extent.add_argument("--stat", action="store_true", help="show the table of files only")
    command.add_argument(
        "--html", type=path, metavar="FILE", help="write a page with both versions side by side instead"
    )
    command.add_argument(
        "--no-pager", dest="pager", action="store_false", help="on a terminal, do without $PAGER (default: less)"
    )


def lineage(command: argparse.ArgumentParser) -> None:
    """check that each version is the one before it plus what it declares

    Every file outside `changes` in [tool.ladder] of its pyproject.toml, except README.md and pyproject.toml themselves,
    must be its predecessor's, byte for byte; every file in `changes` must differ.
    """


def carry(command: argparse.ArgumentParser) -> None:
    """carry a change made in one version forward into all later ones

    The change is the working tree's against the last commit. A file that a later version does not declare in `changes`
    is copied; if it is declared, the edit is merged by git's three-way merge. On any conflict nothing at all is
    written. README.md and pyproject.toml are never carried.
    """
    command.add_argument("name", metavar="VERSION", help=VERSION_HELP)
    command.add_argument("--from", dest="revision", default="HEAD", metavar="REV", help="count from this commit on")


def new(command: argparse.ArgumentParser) -> None:
    """start the next version as a copy of another

    Its README is a template to fill in.
    """
    command.add_argument("name", metavar="NAME", help="such as fast_path; the number is added")
    command.add_argument("--idea", required=True, metavar="TEXT", help="what is new in it, in a few words")
    command.add_argument(
        "--from",
        dest="previous",
        metavar="VERSION",
        help="the version to copy (default: the last)",
    )
