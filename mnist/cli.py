"""The command line: train, evaluate, predict, dropout, bench."""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from mnist import data, plots
from mnist.bench import bench
from mnist.doubt import measured_limits
from mnist.download import download
from mnist.errors import MnistError, PictureError
from mnist.network import Network
from mnist.optimizers import OPTIMIZERS
from mnist.predict import as_text, predict
from mnist.report import report
from mnist.run import Options, Run, resumed
from mnist.train import train
from mnist.weights import SHIPPED, load_parameters

BUILD = Path(__file__).parents[1] / "build" / "mnist"
DESCRIPTION = "A digit classifier, trained and run with layers written by hand."
EXAMPLES = """examples:
  python -m mnist train                  learn from the 8,000 bundled digits, in ten epochs
  python -m mnist train --resume         continue where Ctrl-C stopped it
  python -m mnist train --download       learn from the full set of 60,000
  python -m mnist predict my_seven.jpg   name the digit in a photo or a drawing
  python -m mnist train --help           the options of a command
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors take one line, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see --help\n")


def train_command(arguments: argparse.Namespace, console: Console) -> None:
    """Train, test, and draw the curves, the confusion matrix, mistakes and filters."""
    parts = chosen_parts(arguments, console)
    console.print(f"{len(parts.train)} digits to learn from, {len(parts.validation)} to choose the best weights with")
    given = {name: vars(arguments)[name] for name in ("epochs", "batch", "optimizer", "learning_rate", "seed")}
    wanted = {name: value for name, value in given.items() if value is not None}
    if arguments.plain:
        wanted["copies"] = False
    folder = arguments.out
    if arguments.resume:
        run = resumed(folder / "checkpoint.safetensors", wanted, parts.train.fingerprint())
    else:
        run = Run.begin(Options(**wanted), parts.train.fingerprint())
    try:
        train(run, parts, console, folder, arguments.threads)
    except KeyboardInterrupt:
        advice = "the same command with --resume continues it" if run.saved else "nothing was saved yet"
        console.print(f"stopped in epoch {len(run.epochs) + 1}; {advice}")
        raise
    plots.draw_curves({"": run.epochs}, folder / "curves.png")
    report(run.best, parts, folder, arguments.threads, console)
    console.print(f"weights: {folder / 'weights.safetensors'}")


def evaluate_command(arguments: argparse.Namespace, console: Console) -> None:
    """Test weights, and draw the confusion matrix, mistakes and filters."""
    parameters, _ = load_parameters(arguments.weights)
    report(parameters, chosen_parts(arguments, console), arguments.out, arguments.threads, console)


def dropout_command(arguments: argparse.Namespace, console: Console) -> None:
    """Train with and without dropout, and draw the curves of both."""
    parts = chosen_parts(arguments, console)
    options = Options(epochs=arguments.epochs, seed=arguments.seed, copies=False)  # with copies, little is overfitted
    runs = {}
    for name, dropout in (("with dropout", True), ("without dropout", False)):
        console.print(f"[bold]{name}")
        run = Run.begin(replace(options, dropout=dropout), parts.train.fingerprint())
        train(run, parts, console, threads=arguments.threads)
        runs[name] = run.epochs
    plots.draw_curves(runs, arguments.out / "dropout.png")
    console.print(f"curves: {arguments.out / 'dropout.png'}")


def predict_command(arguments: argparse.Namespace, console: Console) -> None:
    """Name the digit in each picture, and show what the network saw.

    An answer is in doubt if the picture holds several digits, if it is easier to read after a quarter turn, or if even
    the best digit has little evidence for it: less than nearly all of 1,000 others that were read correctly. The exit
    code is 0 with or without doubt, and 2 if a picture cannot be read or shows nothing.
    """
    parameters, _ = load_parameters(arguments.weights)
    network = Network(parameters)
    limits = measured_limits(network, data.embedded().validation)
    errors = []
    for number, file in enumerate(arguments.pictures, 1):
        try:
            prediction = predict(network, limits, file)
        except PictureError as error:
            errors.append(str(error))
            continue
        print(as_text(prediction.seen))
        best = prediction.probabilities.argsort()[::-1][:3]
        named = ", ".join(f"{digit} ({prediction.probabilities[digit]:.1%})" for digit in best)
        print(f"{file}: {named}" + (f"; in doubt: {prediction.doubt}" if prediction.doubt else ""))
        drawing = arguments.out / "predict" / f"{number:02}_{file.stem}.png"
        plots.draw_prediction(prediction, drawing)
        print(f"drawn in {drawing}\n", flush=True)
    if errors:
        raise PictureError("\n".join(errors))


def bench_command(arguments: argparse.Namespace, console: Console) -> None:
    """Compare the speed of training with PyTorch's, which must be installed."""
    bench(console, arguments.rounds, arguments.batch, arguments.threads)


def chosen_parts(arguments: argparse.Namespace, console: Console) -> data.Parts:
    """The bundled digits, or those that --data or --download select."""
    if arguments.download:
        folder = BUILD / "data"
        download(folder, console)
        return data.full(folder)
    return data.full(arguments.data) if arguments.data else data.embedded()


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argparse type for a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def rate(text: str) -> float:
    """An argparse type for a learning rate."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def parser() -> argparse.ArgumentParser:
    """The parser of all commands and options."""
    raw = argparse.RawDescriptionHelpFormatter
    result = Parser("python -m mnist", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = result.add_subparsers(required=True, metavar="COMMAND")

    groups = {
        train_command: (training_options, digit_options, output_options, thread_option),
        evaluate_command: (weight_options, digit_options, output_options, thread_option),
        predict_command: (picture_options, weight_options, output_options),
        dropout_command: (dropout_options, digit_options, output_options, thread_option),
        bench_command: (bench_options,),
    }
    for run, options in groups.items():
        name, about = run.__name__.removesuffix("_command"), str(run.__doc__)
        command = commands.add_parser(name, help=about.partition("\n")[0], description=about)
        command.set_defaults(run=run)
        for add_options in options:
            add_options(command)
    return result


def training_options(command: argparse.ArgumentParser) -> None:
    default = Options()
    rates = ", ".join(f"{name} {optimizer.learning_rate}" for name, optimizer in OPTIMIZERS.items())
    command.add_argument("--epochs", type=whole(1, 10_000), help=f"passes over the digits (default: {default.epochs})")
    command.add_argument("--batch", type=whole(1, 10_000), help=f"digits per step (default: {default.batch})")
    command.add_argument("--optimizer", choices=list(OPTIMIZERS), help=f"default: {default.optimizer}")
    command.add_argument("--learning-rate", type=rate, metavar="RATE", help=f"the initial one; default: {rates}")
    command.add_argument("--seed", type=whole(0, 2**32 - 1), help="the same seed gives the same weights (default: 0)")
    command.add_argument(
        "--plain", action="store_true", help="learn from the digits as they are, without varied copies"
    )
    command.add_argument(
        "--resume", action="store_true", help="continue a run that was stopped, or extend it with --epochs"
    )


def dropout_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--epochs", type=whole(1, 10_000), default=15, help="in each of the two runs (default: 15)")
    command.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="default: 0")


def digit_options(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, metavar="FOLDER", help="the full MNIST's four files, gzipped or not")
    source.add_argument("--download", action="store_true", help="download those files first (11.6 MB)")


def picture_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE", help="one digit on a plain background")


def weight_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights", type=Path, default=SHIPPED, metavar="FILE", help="from `train` (default: the bundled weights)"
    )


def output_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, default=BUILD, metavar="FOLDER", help="default: build/mnist")


def thread_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=whole(1, 256), help="default: one per processor")


def bench_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rounds", type=whole(5, 1000), default=21, help="each of about 3 s (default: 21)")
    command.add_argument("--batch", type=whole(1, 10_000), default=Options().batch, help="default: %(default)s")
    command.add_argument("--threads", type=whole(1, 256), default=2, help="of each competitor (default: 2)")


def main() -> int:
    """Run a command and return its exit code: 0, 2 after an error, 130 after Ctrl-C."""
    arguments = parser().parse_args()
    try:
        arguments.run(arguments, Console())
    except (MnistError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError:
        print("not enough memory", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
