"""The weight sets of this project, and the structure of the network they belong to."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("shared_weights")

import argparse
import math
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.measure import Measurement

from ladder.core.errors import BuildError, LadderError

from . import sets, structure
from .sets import WeightSetError
from .tensor_file import sha256

SIZES = range(32, 1025)
MOST_NOISE = 10_000  # images; 20 do for the set synthetic


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors take one line, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see --help\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for an error reported on stderr, or 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (WeightSetError, LadderError) as error:
        if isinstance(error, BuildError):
            print(error.output.rstrip(), file=sys.stderr)
        print(f"shared_weights: {_printable(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:  # for example, a file that can't be written, or a full disk
        where = error.filename2 or error.filename
        text = f"{where}: {error.strerror}" if where else str(error)
        print(f"shared_weights: {_printable(text)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="python -m shared_weights", description=__doc__, epilog="Exit code 0, or 2 and a line that says why."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    synthetic = commands.add_parser(
        "synthetic",
        help="make the seeded random set",
        description="Make the seeded random set: full size, the same bytes on every machine, in about a second. "
        "Commands that need it make it themselves.",
    )
    synthetic.set_defaults(run=_synthetic)
    _add_imagenet(commands)
    _add_import(commands)
    _add_quantise(commands)
    _add_structure(commands)
    return top


def _add_imagenet(commands: "argparse._SubParsersAction[Parser]") -> None:
    imagenet = commands.add_parser(
        "imagenet",
        help="get torchvision's trained ResNet-50, which knows a thousand classes",
        description="Make a weight set of torchvision's ResNet-50, trained on ImageNet. The checkpoint is taken from "
        "torch's cache ($TORCH_HOME or ~/.cache/torch, hub/checkpoints) if it is there, else downloaded to it "
        "(102 MB); an interrupted download resumes. torch itself is not needed.",
    )
    imagenet.add_argument(
        "--v1", action="store_true", help="the older IMAGENET1K_V1 (top-1 76.1 %%) instead of IMAGENET1K_V2 (80.9 %%)"
    )
    imagenet.add_argument(
        "--from", dest="given", type=_path, metavar="FILE", help="the checkpoint, if you already have it elsewhere"
    )
    imagenet.set_defaults(run=_imagenet)


def _add_import(commands: "argparse._SubParsersAction[Parser]") -> None:
    own = commands.add_parser(
        "import",
        help="make a weight set of a ResNet-50 that you have trained, or found",
        description="Make a weight set of a trained ResNet-50: a file from torch.save (.pth, .pt, .bin; a state dict, "
        "or a checkpoint that holds one), safetensors, an index of shards, or a Hugging Face folder. The names of its "
        "tensors may be torchvision's, timm's or transformers'. torch is not needed, and nothing in the file is ever "
        "run. Without --preprocess or --size the pictures are prepared as for ImageNet, at 224 pixels.",
    )
    own.add_argument("model", type=_path, metavar="MODEL", help="the file or folder")
    own.add_argument(
        "--labels", type=_path, required=True, metavar="FILE", help="the names of the classes, one per line, in order"
    )
    own.add_argument("--name", help="what to call the set, for `classify -- --weights NAME` (default: the file's name)")
    own.add_argument("--preprocess", type=_path, metavar="FILE", help="a preprocess.json: how pictures become numbers")
    own.add_argument(
        "--size",
        type=_size,
        metavar="N",
        help="resize the shorter side to 8/7 N, crop to N x N pixels (default: 224)",
    )
    for option, what in (("--mean", "is subtracted from"), ("--std", "divides")):
        help_ = f"what {what} red, green and blue, from 0 to 1 (default: ImageNet's)"
        own.add_argument(option, type=_number, nargs=3, metavar=("R", "G", "B"), help=help_)
    own.add_argument("--version", metavar="NAME", help="the version that runs it once (default: the newest)")
    own.set_defaults(run=_import)


def _add_quantise(commands: "argparse._SubParsersAction[Parser]") -> None:
    quantise = commands.add_parser(
        "quantise",
        help="measure the scales that a set needs for 8-bit integers",
        description="Run the float32 network on the pictures in a folder and write the scales of its activations to "
        "the set's quantisation.json, which the versions in 8-bit integers need.",
    )
    quantise.add_argument("set", metavar="SET", help="the weight set: its name or folder")
    quantise.add_argument(
        "--pictures", type=_path, required=True, metavar="FOLDER", help="typical pictures; 100 are enough"
    )
    quantise.add_argument(
        "--range",
        dest="rule",
        choices=("max", "mse"),
        default="mse",
        help="reach to the largest value seen, or as far as gives the least mean squared error (default: mse)",
    )
    quantise.add_argument(
        "--noise",
        type=_count,
        default=0,
        metavar="N",
        help="also run on N images of random numbers, such as `bench` uses (for synthetic)",
    )
    quantise.add_argument(
        "--version",
        metavar="NAME",
        help="the version that runs the network (default: the newest that reports each layer)",
    )
    quantise.set_defaults(run=_quantise)


def _add_structure(commands: "argparse._SubParsersAction[Parser]") -> None:
    table = commands.add_parser(
        "structure",
        help="show the network as a table, a drawing, or a file for Netron",
        description="Print every layer with its shapes and costs, and write the network as a drawing or for Netron.",
    )
    table.add_argument(
        "--size", type=_size, default=224, metavar="N", help="for a picture of N x N pixels, 32 to 1024 (default: 224)"
    )
    table.add_argument("--svg", type=Path, metavar="FILE", help="also draw the network to this SVG file")
    table.add_argument(
        "--onnx", type=Path, metavar="FILE", help="also write an ONNX file, which Netron opens (needs the onnx package)"
    )
    table.add_argument(
        "--weights",
        metavar="SET",
        help="the weight set that the ONNX file holds: its name or folder "
        "(default: imagenet if it is there, else cifar10)",
    )
    table.add_argument(
        "--int8",
        nargs="?",
        const="qlinear",
        choices=("qlinear", "qdq"),
        help="write the ONNX file in 8-bit integers, with the set's scales: with operators on bytes (qlinear, the "
        "default), some of them ONNX Runtime's own, or in float32 between conversions (qdq), for other programs too",
    )
    table.set_defaults(run=_structure)


def _printable(text: str) -> str:
    """`text` on one line; what controls a terminal, such as ESC, is escaped as in a Python literal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _size(text: str) -> int:
    """An argparse type for the side of a picture."""
    if not text.isdecimal() or int(text) not in SIZES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {SIZES[0]} to {SIZES[-1]}")
    return int(text)


def _path(text: str) -> Path:
    """An argparse type for a file or folder. An empty name does not mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is neither a file nor a folder")
    return Path(text)


def _count(text: str) -> int:
    """An argparse type for a number of images."""
    if not text.isdecimal() or len(text) > len(str(MOST_NOISE)) or int(text) > MOST_NOISE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number up to {MOST_NOISE}")
    return int(text)


def _number(text: str) -> float:
    """An argparse type for a channel's mean or standard deviation."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _quantise(options: argparse.Namespace) -> None:
    from . import calibration  # here, since `structure` also runs where the ladder's libraries are not installed

    folder = sets.find(options.set)
    print(calibration.quantise(folder, options.pictures, options.rule, options.version, options.noise))


def _synthetic(options: argparse.Namespace) -> None:
    file = sets.find("synthetic") / "weights.safetensors"
    print(f"{file}: {structure.si(file.stat().st_size, 'B')}, SHA-256 {sha256(file)}")


def _imagenet(options: argparse.Namespace) -> None:
    from . import imagenet

    weights = imagenet.V1 if options.v1 else imagenet.V2
    file = imagenet.export(sets.HERE / "imagenet", weights, options.given) / "weights.safetensors"
    print(f"{file}: {weights.name}, {structure.si(file.stat().st_size, 'B')}, SHA-256 {sha256(file)}")


def _import(options: argparse.Namespace) -> None:
    from . import importing

    numbers = options.size or options.mean or options.std
    if options.preprocess and numbers:
        raise WeightSetError("--preprocess says all that --size, --mean and --std say: give one or the other")
    preprocessing = options.preprocess or importing.preprocessing(options.size or 224, options.mean, options.std)
    made = importing.import_(options.model, options.labels, options.name, preprocessing, options.version)
    print("\n".join(map(_printable, str(made).splitlines())))
    if not options.preprocess and not numbers:
        print("Also assumed: pictures are prepared as for ImageNet, at 224 pixels; if not: --preprocess or --size.")


def _structure(options: argparse.Namespace) -> None:
    if options.int8 and not options.onnx:
        raise WeightSetError("--int8 says how --onnx FILE is written, but there is no --onnx FILE")
    table = structure.table(options.size)
    console = Console()
    # A table squeezed into a narrow window would lose digits; rather let the window wrap its lines.
    console.width = max(console.width, Measurement.get(console, console.options.update(width=1000), table).maximum)
    console.print(table)
    if options.svg:
        from . import drawing  # here, since importing matplotlib takes half a second

        drawing.write_svg(options.svg, options.size)
        console.print(_printable(f"Drawing: {options.svg}"), markup=False)
    if options.onnx:
        folder = _write_onnx(options)
        console.print(_printable(f"ONNX file with the weights {folder.name}: {options.onnx}"), markup=False)


def _write_onnx(options: argparse.Namespace) -> Path:
    """Write the ONNX file; returns the folder of its weights."""
    try:
        from . import onnx_file, quantised_onnx
    except ModuleNotFoundError as error:
        raise WeightSetError(f"--onnx needs the package {error.name}") from error
    folder = sets.find(options.weights)
    if options.int8:
        quantised_onnx.write(options.onnx, folder, (options.size, options.size), options.int8)
    else:
        onnx_file.write(options.onnx, folder, options.size)
    return folder


if __name__ == "__main__":
    command_line.run(main)
