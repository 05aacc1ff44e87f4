"""The arguments of the ladder's commands, each in a function with the command's name; of some in chain/options.py.

A function's docstring is the command's help: the summary, and below it the details. An argument has the name of the
parameter that receives it.
"""

import argparse

from ladder.core.arguments import (
    VERSION_HELP,
    Several,
    add_limits,
    add_versions,
    add_viewer,
    channels,
    path,
    pictures,
    pixels,
    png,
    positive,
    thread_count,
    version,
)
from ladder.core.environment import BUILDS


def classify(command: argparse.ArgumentParser) -> None:
    """name what pictures show

    Without pictures: all in pics/, whose true labels are known, so that each answer is judged. Folders are searched
    recursively, following links; hidden files and folders (.name) are left out.
    """
    command.add_argument(
        "given",
        nargs="*",
        type=pictures,
        metavar="PICTURE",
        help="picture files, or folders of them; -: read names from standard input, separated by newlines or NULs",
    )
    add_viewer(command)
    command.add_argument("--top", type=positive, default=5, metavar="N", help="how many labels to show (default: 5)")
    forms = command.add_mutually_exclusive_group()
    for form, what in (("json", "print JSON"), ("csv", "print a row")):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=f"{what} for each picture")
    command.add_argument(
        "--html", type=path, metavar="FILE", help="also write a page: what the network was given, and where it looked"
    )
    command.set_defaults(form="table")


def features(command: argparse.ArgumentParser) -> None:
    """draw what the network sees in a picture

    The feature maps after the stem and after each stage, the channels with the largest mean absolute activation first;
    beside them the picture as prepared for the network, and the top 5.
    """
    command.add_argument("picture", type=path, metavar="PICTURE", help="a picture file")
    add_viewer(command)
    command.add_argument(
        "--channels", type=channels, default=8, metavar="N", help="how many of each stage, 1 to 32 (default: 8)"
    )
    command.add_argument(
        "--out", type=png, metavar="FILE.png", help="the figure (default: build/features/NAME.png, after the picture)"
    )


def accuracy(command: argparse.ArgumentParser) -> None:
    """measure how often versions classify pictures correctly

    FOLDER holds a folder of pictures for each class, named like its label. Top-1 and top-5 accuracy with 95 %
    intervals, and the difference of each further version from the first, picture by picture.
    """
    command.add_argument("folder", type=path, metavar="FOLDER", help="a folder with a folder for each class")
    command.add_argument(
        "--set",
        dest="weight_set",
        metavar="SET",
        help="cifar10, imagenet, synthetic, an imported set, a folder (default: imagenet if it is there, else cifar10)",
    )
    command.add_argument(
        "--versions",
        dest="names",
        action=Several,
        type=version,
        default=(),
        metavar="NAME",
        help=f"{VERSION_HELP} (default: the newest in float32 that runs here)",
    )


def compare(command: argparse.ArgumentParser) -> None:
    """compare the versions' outputs on pics/ with torchvision's and with one another

    Torchvision's outputs are in shared_weights/*/golden.safetensors; imagenet, once it is there, has none at first, and
    then the versions are compared with one another only. Fails if a version is further away than its
    tolerance, 2e-5 of the largest output unless it declares another, or if its top 5 differ. Versions that declare
    `slow` see one small picture only.
    """
    add_versions(command)


def reference(command: argparse.ArgumentParser) -> None:
    """compare the versions with torchvision itself (needs torch)

    Uses all pictures and weight sets found here, and random images of 32x32, 64x64, 65x97 and 224x224 pixels. A version
    in 8-bit integers must also give ONNX Runtime's logits, bit for bit.
    """
    command.add_argument("--write", action="store_true", help="renew the golden files that `compare` uses")


def bench(command: argparse.ArgumentParser) -> None:
    """time the versions against one another

    Each version runs in its own process, which is kept alive; they take turns in alternating rounds, so that a drift of
    the machine affects all alike. A slow version takes part only in every second, fourth, ... round. A warm-up and the
    first round run with all versions, whatever the limits; Ctrl-C ends with a table of the measurements so far. Rounds
    in which other processes took more than 2 % of the processors' time are dropped and repeated, but there are never
    more than twice as many. All times are kept in build/bench/runs. Leave the machine alone meanwhile.
    """
    add_versions(command)
    command.add_argument(
        "--size",
        type=pixels,
        metavar="N",
        help="pictures of N x N pixels, 32 to 1024 (default: 224); versions that declare `slow` are timed at no more "
        "than 64, unless they are named",
    )
    command.add_argument(
        "--threads",
        action=Several,
        type=thread_count,
        metavar="N",
        help="for versions with threads: time them with each of these numbers (default: 1 and all processors)",
    )
    add_limits(command, 170)
    add_outputs(command)


def add_outputs(command: argparse.ArgumentParser) -> None:
    """Add the options that say what else a benchmark times, and where its results go."""
    command.add_argument(
        "--peers",
        action="store_true",
        help="time torch, ONNX Runtime, OpenVINO and ncnn too, with the same numbers of threads (installs 6 GB), and "
        "beside an 8-bit version in 8-bit integers",
    )
    command.add_argument(
        "--neighbours",
        type=positive,
        default=0,
        metavar="N",
        help="time them beside N busy processes, endless loops of normal priority",
    )
    command.add_argument(
        "--write",
        action="store_true",
        help="time all versions at 64 and at 224 pixels, and put that into versions/bench.json and the READMEs",
    )
    command.add_argument(
        "--renew", action="store_true", help="put versions/bench.json into the READMEs again, without timing"
    )
    command.add_argument("--json", dest="as_json", action="store_true", help="print all results as JSON, not the table")


def profile(command: argparse.ArgumentParser) -> None:
    """show where the time goes in a version, layer by layer

    With two versions: their times side by side. Inferences with and without a report of each layer take turns; the
    exit code is 1 if the layers do not add up to the whole within 5 %. Besides the table there is a roofline plot,
    build/profile/VERSION.png, and all figures as JSON. Leave the machine alone meanwhile.
    """
    command.add_argument("names", nargs="+", metavar="VERSION", help=f"{VERSION_HELP}; one or two")
    command.add_argument(
        "--size",
        type=pixels,
        metavar="N",
        help="a picture of N x N pixels, 32 to 1024 (default: 224, or 64 for versions that declare `slow`)",
    )
    command.add_argument(
        "--threads",
        type=thread_count,
        metavar="N",
        help="for versions with threads (default: one for each processor)",
    )
    add_limits(command, 20)
    command.add_argument("--json", dest="as_json", action="store_true", help="print the JSON instead of the table")
    command.add_argument("--out", type=png, metavar="FILE.png", help="the plot; the JSON is written beside it")


def peaks(command: argparse.ArgumentParser) -> None:
    """measure how fast this machine multiplies and copies, in float32 and in 8-bit integers

    The most that loops of multiply-adds reach with each kind of number and instruction, and that copying reaches; and
    the least time that follows for ResNet-50, if every byte came from memory and if none did, with direct convolutions
    (Winograd's take fewer multiplications). Then that bound for each kind of layer beside the newest versions' times,
    with one thread or N; and, without VNNI, which sums of bytes would be wrong if products were added in 16 bits. Leave
    the machine alone meanwhile.
    """
    command.add_argument(
        "--size", type=pixels, default=224, metavar="N", help="for a picture of N x N pixels, 32 to 1024 (default: 224)"
    )
    command.add_argument(
        "--threads", type=thread_count, metavar="N", help="on one core and on N (default: one for each processor)"
    )
    command.add_argument("--rounds", type=positive, default=30, metavar="N", help="take the best of N (default: 30)")
    command.add_argument("--layers", dest="all_layers", action="store_true", help="show every layer, not only kinds")


def asm(command: argparse.ArgumentParser) -> None:
    """show the machine code that the compiler made from a version's C

    First the number of instructions of each kind in every function and innermost loop, then the assembly, each
    instruction below its source line. It is the release's code, built again with -g.
    """
    command.add_argument("name", metavar="VERSION", help=VERSION_HELP)
    command.add_argument(
        "wanted",
        metavar="FUNCTION_OR_FILE",
        help="conv2d or conv2d.c: a file; else a function in one; where C is generated, a layer: layer1.0.relu2",
    )
    command.add_argument("--out", type=path, metavar="FILE", help="write there instead of printing")


def test(command: argparse.ArgumentParser) -> None:
    """run the tests of a version, of another part of the repository, or of all parts

    Builds what it needs first. With `all`, a test file does not run again if it passed before and nothing that it
    exercises has changed since. All other arguments go to pytest, such as -k conv2d -x. With --build sanitize the C
    code is built with gcc's AddressSanitizer and UndefinedBehaviorSanitizer.
    """
    command.add_argument("name", metavar="PART", help=f"`all`, a part such as mnist, or {VERSION_HELP}")
    command.add_argument("--every", action="store_true", help="run all tests, even if they have passed before")
    add_versions(command)
    add_build(command)


def build(command: argparse.ArgumentParser) -> None:
    """build a version and run nothing

    Compiler warnings are errors. A build that is up to date is left as it is.
    """
    command.add_argument("name", metavar="VERSION", help=VERSION_HELP)
    add_build(command)


def add_build(command: argparse.ArgumentParser) -> None:
    """Add the option that says how a version is built."""
    command.add_argument("--build", choices=BUILDS, default="release", help="how to build it (default: release)")


def supply(command: argparse.ArgumentParser) -> None:
    """test each version as a user would install it: from its built files, with old and new libraries, without network

    The sdist is tested with the lowest versions of all libraries that it declares, the wheel with the newest; in a
    network namespace without a device, if the system allows it. Both run in empty environments, outside the repository.
    """
    add_versions(command)
    command.add_argument("--every-test", action="store_true", help="run all tests, not only the command line's")
