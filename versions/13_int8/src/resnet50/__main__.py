"""Name what is in a picture: the command line of this ResNet-50."""

from . import console

if __name__ == "__main__":
    console.begin()

import argparse
import json
import os
import shlex
import statistics
import sys
import warnings
from time import perf_counter

import numpy as np

from . import PictureError, ResNet50, ResNet50Error, WeightsError
from .arguments import Parser, path, pixels, positive
from .codegen import source
from .compiler import FLAGS
from .console import complain, say
from .naming import named
from .network import planned
from .plan import largest_live_set
from .tiles import Convolution
from .worker import infer, load_image, load_picture, peak_memory, work

NO_WEIGHTS = (
    "no weights: give --weights DIR or set RESNET50_WEIGHTS; DIR holds weights.safetensors, labels.txt and "
    "preprocess.json, like shared_weights/cifar10 in the repository"
)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = Parser(prog="python -m resnet50", description=__doc__, epilog="Exit code 0, or 2 and a line that says why.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    weights = Parser(add_help=False)
    weights.add_argument("--weights", type=path, metavar="DIR", help="the weight folder (default: $RESNET50_WEIGHTS)")
    weights.add_argument("--threads", type=positive, metavar="N", help="number of threads (default: "
                         "$RESNET50_THREADS, else one for each processor)")  # fmt: skip

    classify = commands.add_parser("classify", parents=[weights], help="print the most likely labels of pictures")
    classify.add_argument("pictures", nargs="+", metavar="PICTURE", help="JPEG, PNG, GIF, WebP, BMP, TIFF, PPM or AVIF")
    classify.add_argument("--top", type=positive, default=5, metavar="N", help="how many labels (default: 5)")
    classify.add_argument("--json", action="store_true", help="a line of JSON for each picture")
    classify.set_defaults(run=run_classify)

    logits = commands.add_parser("logits", parents=[weights], help="save the network's output for one picture")
    logits.add_argument("picture", metavar="PICTURE_OR_NPY", help="a picture, or float32 (height, width, 3) as .npy")
    logits.add_argument("--out", type=path, required=True, metavar="FILE.npy", help="where to write float32 (classes,)")
    logits.set_defaults(run=run_logits)

    bench = commands.add_parser("bench", parents=[weights], help="measure the time of one inference")
    bench.add_argument("--size", type=pixels, default=224, metavar="N", help="N x N random pixels (default: 224)")
    bench.add_argument("--repeat", type=positive, default=5, metavar="N", help="inferences to time (default: 5)")
    bench.add_argument("--json", action="store_true", help="the result as a line of JSON")
    bench.add_argument("--worker", action="store_true", help="read lines, each empty or a picture or .npy; for each: "
                       "one inference and a line of JSON with its seconds and logits")  # fmt: skip
    bench.set_defaults(run=run_bench)

    plan = commands.add_parser("plan", parents=[weights], help="print the steps and where their outputs lie")
    plan.add_argument("--size", type=pixels, default=224, metavar="N", help="for N x N pixels (default: 224)")
    plan.set_defaults(run=run_plan)

    codegen = commands.add_parser("codegen", parents=[weights], help="write the C that is compiled for this network")
    codegen.add_argument("--size", type=pixels, default=224, metavar="N", help="for N x N pixels (default: 224)")
    codegen.add_argument("--out", type=path, required=True, metavar="DIR", help="where: one file per convolution shape")
    codegen.set_defaults(run=run_codegen)
    return top


def load_network(args: argparse.Namespace) -> ResNet50:
    """The network that --weights or RESNET50_WEIGHTS names."""
    folder = args.weights or os.environ.get("RESNET50_WEIGHTS")
    if not folder:
        raise WeightsError(NO_WEIGHTS)
    return ResNet50(folder, args.threads)


def run_classify(args: argparse.Namespace) -> int:
    """Prints each picture's labels as soon as they are known; a picture that fails does not stop the others."""
    net = load_network(args)
    exit_code = 0
    for picture in args.pictures:
        try:
            logits, seconds = infer(net, load_picture(net, picture), picture)
            result = {"picture": picture, "seconds": seconds, "top": named(net, logits, args.top, picture)}
        except PictureError as error:
            complain(error)
            result = {"picture": picture, "error": str(error)}
            exit_code = 2
        if args.json:
            say(json.dumps(result))
        elif "top" in result:
            say(f"{picture}  ({seconds * 1e3:.0f} ms)")
            for guess in result["top"]:
                say(f"  {guess['probability']:7.2%}  {guess['label']}")
    return exit_code


def run_logits(args: argparse.Namespace) -> int:
    """Saves one picture's logits to a file."""
    net = load_network(args)
    logits, _ = infer(net, load_image(net, args.picture), args.picture)
    try:
        with open(args.out, "wb") as file:  # np.save would add .npy to a name without it
            np.save(file, logits)
    except OSError as error:
        raise ResNet50Error(f"{args.out}: cannot be written: {error.strerror}") from error
    return 0


def run_bench(args: argparse.Namespace) -> int:
    """Times inferences of a seeded random image, or serves as a worker."""
    start = perf_counter()
    net = load_network(args)
    net.plan(args.size, args.size)
    load_seconds = perf_counter() - start
    image = np.random.RandomState(0).standard_normal((args.size, args.size, 3)).astype(np.float32)
    if args.worker:
        return work(net, image, load_seconds)
    times = sorted(infer(net, image, f"--size {args.size}")[1] for _ in range(args.repeat))
    result = {
        "size": args.size, "repeat": args.repeat, "median_seconds": statistics.median(times),
        "fastest_seconds": times[0], "slowest_seconds": times[-1],
        "load_seconds": load_seconds, "peak_memory": peak_memory(),
    }  # fmt: skip
    if args.json:
        say(json.dumps(result))
    else:
        say(f"{args.size} x {args.size} pixels, {args.repeat} inferences: median {result['median_seconds']:.4f} s, "
            f"fastest {times[0]:.4f} s, slowest {times[-1]:.4f} s; loaded in {load_seconds:.3f} s")  # fmt: skip
    return 0


def run_plan(args: argparse.Namespace) -> int:
    """Prints a line for each step, then the arena's size, the least it could be, and the size without reuse."""
    plan = load_network(args).plan(args.size, args.size)
    say(f"{'step':24} {'operator':13} {'output':>14} {'place':>10}  last read by")
    for step in plan.steps:
        shape, reader = " x ".join(map(str, step.output.shape)), step.output.read
        by = plan.steps[reader].name if reader < len(plan.steps) else "you"
        say(f"{step.name:24} {step.operator:13} {shape:>14} {step.output.place:10}  {by}")
    everything = sum(value.floats for value in plan.values)
    least = largest_live_set(plan.values, len(plan.steps))
    say(f"arena {plan.floats * 4:,} bytes; largest live set {least * 4:,}; all outputs {everything * 4:,}")
    return 0


def run_codegen(args: argparse.Namespace) -> int:
    """Writes a file for each distinct shape of convolution, and prints which layers have that shape."""
    net = load_network(args)
    layers: dict[Convolution, list[str]] = {}
    for step in planned(net.weights, args.size, args.size)[0].steps:
        if step.convolution:
            layers.setdefault(step.convolution, []).append(step.name)
    files = {conv: os.path.join(args.out, f"{conv.name}.c") for conv in layers}
    try:
        os.makedirs(args.out, exist_ok=True)
        for conv, file in files.items():
            with open(file, "w", encoding="utf-8") as text:
                text.write(source(conv, net.weights.isa))
    except OSError as error:
        raise ResNet50Error(f"{args.out}: cannot be written: {error.strerror}") from error
    for conv, names in layers.items():
        say(f"{files[conv]}: {', '.join(names)}")
    say("")
    say(f"{len(layers)} files for {sum(map(len, layers.values()))} layers. What they are compiled with: "
        f"{shlex.join([*FLAGS, *net.weights.isa.flags])}")  # fmt: skip
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    warnings.simplefilter("ignore")  # Pillow's, about damaged EXIF or many pixels: image.py decides what is an error
    np.seterr(all="ignore")  # NaN and infinity propagate to the logits and are reported there
    console.accept_any_name()
    try:
        with console.interruptible():
            args = parser().parse_args(arguments)
            return args.run(args)
    except ResNet50Error as error:
        complain(error)
    except MemoryError:
        complain("not enough memory")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        return 0
    except OSError as error:  # too many open files, for example
        complain(f"{error.filename or 'the system'}: {error.strerror}")
    return 2


if __name__ == "__main__":
    sys.exit(main())
