"""The ladder's command line: shows, compares and keeps together the versions of this ResNet-50."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("ladder")

import argparse
from pathlib import Path
from typing import NoReturn

from ladder.core import terminal
from ladder.core.arguments import channels, path, pixels, png, positive, thread_count, thread_counts
from ladder.core.environment import BUILDS
from ladder.core.errors import BuildError, LadderError
from ladder.core.versions import ROOT

VERSION_HELP = "a version's folder name or its number: 03_naive_c or 03"


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command in one line, not below a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (try {self.prog} --help)\n")


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
        "Without pictures: all in pics/, whose true labels are known, so that each answer is judged. Folders are "
        "searched with all folders in them, linked ones too; hidden files and folders (.name) are left out.",
    )
    classify.add_argument("pictures", nargs="*", type=path, metavar="PICTURE", help="picture files, or folders of them")
    add_choice(classify)
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

    bench = command(
        "bench",
        "time the versions against one another",
        "Each version is a process of its own that is kept alive; they take turns in alternating rounds, so that a "
        "drift of the machine hits all alike. A slow version takes part in every second, fourth, ... round only. A "
        "warm-up and the first round, with all versions, are run whatever the limits; Ctrl-C ends with a table of what "
        "was measured so far. All times go to build/bench/results.json. Leave the machine alone meanwhile.",
    )
    bench.add_argument("--versions", nargs="+", default=(), metavar="NAME", help=f"{VERSION_HELP} (default: all)")
    bench.add_argument(
        "--size",
        type=pixels,
        default=224,
        metavar="N",
        help="pictures of N x N pixels, 32 to 1024 (default: 224); versions that declare `slow` are timed at no more "
        "than 64, unless they are named",
    )
    bench.add_argument(
        "--threads",
        type=thread_counts,
        metavar="N,N",
        help="for versions that have threads: time them with each of these numbers (default: 1 and all processors)",
    )
    bench.add_argument("--rounds", type=positive, metavar="N", help="at most so many (default: as the time allows)")
    bench.add_argument("--seconds", type=positive, default=170, metavar="N", help="at most so long (default: 170)")
    bench.add_argument(
        "--peers",
        action="store_true",
        help="time torch, ONNX Runtime, OpenVINO and ncnn too, with the same numbers of threads (installs 6 GB)",
    )
    bench.add_argument(
        "--write",
        action="store_true",
        help="put the results of the last runs with all versions at 64 and 224 pixels into README.md, with a chart",
    )
    bench.add_argument("--json", action="store_true", help="print what results.json holds instead of the table")

    diff = command(
        "diff",
        "show what one version changes against another, or the ladder as a table",
        "With two versions: the idea, the measured gain, the changed files, and then their lines, source first; with "
        "one: it against its predecessor. Lines far from any change and the most of long new tests are left out. "
        "Without versions: a table of all, with their sizes and gains. Gains are those of the last `bench`.",
    )
    diff.add_argument("versions", nargs="*", metavar="VERSION", help=f"{VERSION_HELP}; the older one first")
    extent = diff.add_mutually_exclusive_group()
    extent.add_argument("--full", action="store_true", help="show unchanged lines and long tests too")
    extent.add_argument("--stat", action="store_true", help="show the table of files only")
    diff.add_argument("--html", type=path, metavar="FILE", help="write a page with both versions side by side instead")

    profile = command(
        "profile",
        "show where the time goes in a version, layer by layer",
        "With two versions: their times side by side. An inference that tells of each layer and one that does not take "
        "turns; the exit code is 1 if the layers do not add up to the whole within 5 %. Beside the table there is a "
        "roofline plot, build/profile/VERSION.png, and all figures as JSON. Leave the machine alone meanwhile.",
    )
    profile.add_argument("versions", nargs="+", metavar="VERSION", help=f"{VERSION_HELP}; one or two")
    profile.add_argument(
        "--size",
        type=pixels,
        metavar="N",
        help="a picture of N x N pixels, 32 to 1024 (default: 224, or 64 for versions that declare `slow`)",
    )
    profile.add_argument(
        "--threads",
        type=thread_count,
        metavar="N",
        help="for versions that have threads (default: one for each processor)",
    )
    profile.add_argument("--rounds", type=positive, metavar="N", help="at most so many (default: as the time allows)")
    profile.add_argument("--seconds", type=positive, default=20, metavar="N", help="at most so long (default: 20)")
    profile.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    profile.add_argument("--out", type=png, metavar="FILE.png", help="the plot; the JSON is written beside it")

    features = command(
        "features",
        "draw what the network sees in a picture",
        "The feature maps after the stem and after each stage, the channels with the largest mean absolute activation "
        "first; beside them the picture as the network is given it, and the top 5.",
    )
    features.add_argument("picture", type=path, metavar="PICTURE", help="a picture file")
    add_choice(features)
    features.add_argument(
        "--channels", type=channels, default=8, metavar="N", help="how many of each stage, 1 to 32 (default: 8)"
    )
    features.add_argument(
        "--out", type=png, metavar="FILE.png", help="the figure (default: build/features/NAME.png, after the picture)"
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

    asm = command(
        "asm",
        "show what the compiler made of a version's C",
        "The assembly, each instruction below the source line that it comes from, and before it how many instructions "
        "of each kind every function and innermost loop has. It is the release's code, built again with -g.",
    )
    asm.add_argument("version", metavar="VERSION", help=VERSION_HELP)
    asm.add_argument("wanted", metavar="FUNCTION_OR_FILE", help="conv2d or conv2d.c: a file; else a function in one")
    asm.add_argument("--out", type=path, metavar="FILE", help="write there instead of printing")

    test = command(
        "test",
        "run the tests of a version or of another part of the repository, or all",
        "Builds what it needs first. With `all`, what has passed before and has not changed in anything that it "
        "exercises is not run again. Whatever else is given is for pytest, such as -k conv2d -x. With --build "
        "sanitize the C code is built with gcc's AddressSanitizer and UndefinedBehaviorSanitizer.",
    )
    test.add_argument("--every", action="store_true", help="run all tests, whatever has passed before")
    build = command(
        "build",
        "build a version and run nothing",
        "A warning of the compiler is an error. What is up to date is left as it is.",
    )
    test.add_argument("version", metavar="PART", help=f"`all`, another part, or {VERSION_HELP}")
    build.add_argument("version", metavar="VERSION", help=VERSION_HELP)
    for one in (test, build):
        one.add_argument("--build", choices=BUILDS, default="release", help="how to build it (default: release)")

    supply = command(
        "supply",
        "test each version as others get it: from its built files, with old and new libraries, without network",
        "Its sdist with the lowest versions of all that it declares; its wheel with the newest, in a network namespace "
        "without a device where the system allows one. Both in empty environments and away from the repository.",
    )
    supply.add_argument("--versions", nargs="+", default=(), metavar="NAME", help=f"{VERSION_HELP} (default: all)")
    supply.add_argument("--every-test", action="store_true", help="run all tests, not only the command line's")

    reference = command(
        "reference",
        "compare the versions with torchvision itself (needs torch)",
        "All pictures and weight sets that are here, and random images of 32x32, 64x64, 65x97 and 224x224 pixels.",
    )
    reference.add_argument("--write", action="store_true", help="renew the golden files that `compare` uses")
    return top


def add_choice(command: argparse.ArgumentParser) -> None:
    """The arguments that choose who looks at pictures."""
    command.add_argument("--version", metavar="NAME", help=f"{VERSION_HELP} (default: the newest that runs here)")
    command.add_argument(
        "--weights",
        metavar="SET",
        help="cifar10, imagenet, synthetic or a folder (default: imagenet if it was exported, else cifar10)",
    )


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Run a command; each is imported only when it is wanted, so that none pays for another's libraries."""
    match arguments.command:
        case "classify":
            from ladder.outputs.classify import classify

            return classify(root, arguments.pictures, arguments.version, arguments.weights, arguments.top)
        case "compare":
            from ladder.outputs.compare import compare

            return compare(root, arguments.versions)
        case "bench":
            from ladder.core.processor import processors
            from ladder.timing.bench import bench

            wanted = arguments.versions, arguments.size, arguments.rounds, arguments.seconds
            threads = arguments.threads or [1, processors()]
            return bench(root, *wanted, arguments.json, threads, arguments.peers, arguments.write)
        case "profile":
            from ladder.core.processor import processors
            from ladder.layers.profile import profile

            threads = arguments.threads or processors()
            limits = arguments.rounds, arguments.seconds
            return profile(root, arguments.versions, arguments.size, threads, *limits, arguments.json, arguments.out)
        case "features":
            from ladder.outputs.features import features

            chosen = arguments.version, arguments.weights
            return features(root, arguments.picture, *chosen, arguments.channels, arguments.out)
        case "lineage":
            from ladder.chain.lineage import lineage

            return lineage(root)
        case "diff":
            from ladder.chain.diff import diff

            return diff(root, arguments.versions, arguments.full, arguments.stat, arguments.html)
        case "carry":
            from ladder.chain.carry import carry

            return carry(root, arguments.version, arguments.revision)
        case "new":
            from ladder.chain.new import new

            return new(root, arguments.name, arguments.idea)
        case "test":
            from ladder.testing.command import test

            return test(root, arguments.version, arguments.build, arguments.every, arguments.rest)
        case "asm":
            from ladder.assembly.asm import asm

            return asm(root, arguments.version, arguments.wanted, arguments.out)
        case "build":
            from ladder.testing.command import build_alone

            return build_alone(root, arguments.version, arguments.build)
        case "supply":
            from ladder.shipping.supply import supply

            return supply(root, arguments.versions, arguments.every_test)
        case "reference":
            from ladder.outputs.reference import reference

            return reference(root, arguments.write)
    raise AssertionError(f"no such command: {arguments.command}")


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    command_line = parser()
    arguments, rest = command_line.parse_known_args(argv)
    if rest and arguments.command != "test":
        command_line.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest  # for pytest
    try:
        return run(arguments, root)
    except LadderError as error:
        if isinstance(error, BuildError):
            terminal.note(error.output.rstrip())
        terminal.complain(f"ladder: {error}")
    except OSError as error:
        terminal.complain(f"ladder: {error.filename or 'the system'}: {error.strerror}")
    except KeyboardInterrupt:
        return 130
    return 2


if __name__ == "__main__":
    command_line.run(main)
