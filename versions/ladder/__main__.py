"""The ladder's command line: shows, compares and keeps together the versions of this ResNet-50."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from ladder import terminal
from ladder.errors import BuildError, LadderError
from ladder.versions import ROOT

VERSION_HELP = "a version's folder name or its number: 03_naive_c or 03"


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command in one line, not below a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="ladder",
        description=__doc__,
        epilog="Exit code 0; 1 if a comparison failed; 2 if something given is wrong, with a line that says what.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, details: str = "") -> argparse.ArgumentParser:
        text = f"{summary[0].upper()}{summary[1:]}. {details}"
        return commands.add_parser(name, help=summary, description=text)

    classify = command(
        "classify",
        "name what is in pictures",
        "Without pictures: all in pics/, whose true labels are known, so that each answer is judged.",
    )
    classify.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE", help="picture files, or folders of them")
    classify.add_argument("--version", metavar="NAME", help=f"{VERSION_HELP} (default: the newest that runs here)")
    classify.add_argument(
        "--weights",
        metavar="SET",
        help="cifar10, imagenet, synthetic or a folder (default: imagenet if it was exported, else cifar10)",
    )
    classify.add_argument("--top", type=positive, default=5, metavar="N", help="how many labels to show (default: 5)")

    compare = command(
        "compare",
        "compare the versions' outputs on pics/ with torchvision's and with one another",
        "Torchvision's outputs lie in shared_weights/*/golden.safetensors. Fails if a version is further away than its "
        "tolerance, 2e-5 of the largest output unless it declares another, or if its top 5 differ. Versions that "
        "declare `slow` see one small picture only.",
    )
    compare.add_argument("--versions", nargs="+", default=(), metavar="NAME", help=f"{VERSION_HELP} (default: all)")

    command(
        "lineage",
        "check that each version is the one before it plus what it declares",
        "Every file outside `changes` in [tool.ladder] of its pyproject.toml, README.md and pyproject.toml themselves "
        "left out, must be its predecessor's, byte for byte; every file in `changes` must differ.",
    )

    carry = command(
        "carry",
        "take a change made in one version forward into all later ones",
        "The change is the working tree's against the last commit. A file that a later version does not declare in "
        "`changes` is copied; where one declares it, the edit is merged with git's three-way merge. On any conflict "
        "nothing at all is written. README.md and pyproject.toml are never carried.",
    )
    carry.add_argument("version", metavar="VERSION", help=VERSION_HELP)
    carry.add_argument("--from", dest="revision", default="HEAD", metavar="REV", help="count from this commit on")

    new = command("new", "begin the next version as a copy of the last", "Its README waits for its text.")
    new.add_argument("name", metavar="NAME", help="such as fast_path; the number is added")
    new.add_argument("--idea", required=True, metavar="TEXT", help="what is new in it, in a few words")

    test = command("test", "run a version's own tests in its own environment", "Builds the version first if needed.")
    test.add_argument("version", metavar="VERSION", help=VERSION_HELP)
    test.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="for pytest, such as -k conv2d -x")

    reference = command(
        "reference",
        "compare the versions with torchvision itself (needs torch)",
        "All pictures and weight sets that are here, and random images of 32x32, 64x64, 65x97 and 224x224 pixels.",
    )
    reference.add_argument("--write", action="store_true", help="renew the golden files that `compare` uses")
    return top


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Run a command; each is imported only when it is wanted, so that none pays for another's libraries."""
    match arguments.command:
        case "classify":
            from ladder.classify import classify

            return classify(root, arguments.pictures, arguments.version, arguments.weights, arguments.top)
        case "compare":
            from ladder.compare import compare

            return compare(root, arguments.versions)
        case "lineage":
            from ladder.lineage import lineage

            return lineage(root)
        case "carry":
            from ladder.carry import carry

            return carry(root, arguments.version, arguments.revision)
        case "new":
            from ladder.new import new

            return new(root, arguments.name, arguments.idea)
        case "test":
            from ladder.run_tests import run_tests

            return run_tests(root, arguments.version, arguments.arguments)
        case "reference":
            from ladder.reference import reference

            return reference(root, arguments.write)
    raise AssertionError(f"no such command: {arguments.command}")


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return run(arguments, root)
    except LadderError as error:
        if isinstance(error, BuildError):
            terminal.note(error.output.rstrip())
        terminal.note(f"ladder: {error}")
    except OSError as error:
        terminal.note(f"ladder: {error.filename or 'the system'}: {error.strerror}")
    except KeyboardInterrupt:
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main())
