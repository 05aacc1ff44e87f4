"""The command line: a lesson on a picture, all lessons on all pictures, or the benchmark."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.markup import escape

from cv_basics.picture import check_whole
from cv_basics.streams import complain, printable

if TYPE_CHECKING:
    from cv_basics.lessons import Lesson

DEFAULT_FOLDER = Path(os.path.relpath(Path(__file__).parents[1] / "build" / "cv_basics"))


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(' '.join(message.split()))}; see --help\n")

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="")  # argparse ignores output that can't be written


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; its result has the function to call as `command`."""
    from cv_basics.lessons import LESSONS

    parser = Parser(
        prog="python -m cv_basics",
        description="Picture basics by hand: each lesson computes the bytes that OpenCV gives and draws a figure.",
        epilog="Examples: python -m cv_basics canny pics/camera.png --low 50 --high 150; python -m cv_basics all",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, lesson in LESSONS.items():
        command = commands.add_parser(name, help=lesson.summary, description=f"Lesson {name}: {lesson.summary}.")
        _add_lesson_arguments(command, lesson)
        command.set_defaults(command=_lesson, lesson=name)

    everything = commands.add_parser("all", help="every lesson on every picture, with an index.html")
    everything.add_argument(
        "pictures", nargs="*", type=Path, metavar="PICTURE", help="picture files; default: those in pics/"
    )
    _add_folder(everything)
    everything.add_argument(
        "--readme", action="store_true", help="draw only the README's figures, into cv_basics/figures"
    )
    everything.set_defaults(command=_all)

    bench = commands.add_parser("bench", help="time the loops, NumPy and OpenCV on one picture")
    bench.add_argument("picture", nargs="?", type=Path, metavar="PICTURE", help="a picture file; default: eagle.jpg")
    bench.add_argument(
        "--side", type=int, default=512, metavar="N", help="side to scale it to, in pixels (default 512)"
    )
    bench.add_argument("--rounds", type=int, default=5, metavar="N", help="how many times each is timed (default 5)")
    bench.add_argument("--write", action="store_true", help="write the table to the README")
    bench.set_defaults(command=_bench)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    try:
        options = build_parser().parse_args(arguments)
        options.command(options, Console())
    except BrokenPipeError:  # the reader of stdout, such as `head`, has seen enough
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        complain(" ".join(str(error).split()))
        return 2
    except MemoryError:
        complain("not enough memory for a picture or a window of this size")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _add_lesson_arguments(command: argparse.ArgumentParser, lesson: "Lesson") -> None:
    command.add_argument(
        "picture", nargs="?", type=Path, metavar="PICTURE", help=f"any picture file; default: {lesson.picture}"
    )
    _add_folder(command)
    for name, option in lesson.options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(option.default, bool):
            command.add_argument(flag, action="store_true", help=option.help)
        else:
            kind = type(option.default)
            text = f"{option.help} (default {option.default:g})"
            command.add_argument(flag, type=kind, default=option.default, metavar=name[0].upper(), help=text)


def _add_folder(command: argparse.ArgumentParser) -> None:
    text = f"output folder (default {DEFAULT_FOLDER})"
    command.add_argument("--out", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER", help=text)


def _lesson(options: argparse.Namespace, console: Console) -> None:
    from cv_basics.gallery import PICS, run_lesson
    from cv_basics.lessons import LESSONS

    lesson = LESSONS[options.lesson]
    path = options.picture or PICS / lesson.picture
    chosen: dict[str, Any] = {name: getattr(options, name) for name in lesson.options}
    with console.status(escape(printable(f"{options.lesson} {path.name}"))):
        outcome, written = run_lesson(options.lesson, path, options.out, path.stem, chosen)
    console.print(printable(f"{path.name}: {outcome.findings}"), markup=False, highlight=False, soft_wrap=True)
    for each in written:
        console.print(printable(str(each)), markup=False, highlight=False, soft_wrap=True)


def _all(options: argparse.Namespace, console: Console) -> None:
    from cv_basics.gallery import default_pictures, make_all, make_readme_figures

    if options.readme:
        written = make_readme_figures(console)
    else:
        written = [make_all(options.pictures or default_pictures(), options.out, console)]
    for each in written:
        console.print(printable(str(each)), markup=False, highlight=False, soft_wrap=True)


def _bench(options: argparse.Namespace, console: Console) -> None:
    import numpy as np
    from PIL import Image

    from cv_basics import bench
    from cv_basics.files import read_picture
    from cv_basics.gallery import PICS

    path = options.picture or PICS / "eagle.jpg"
    side = check_whole(options.side, "side", 1, 4000)
    rounds = check_whole(options.rounds, "rounds", 1, 1000)
    scaled = Image.fromarray(read_picture(path)).convert("RGB").resize((side, side))
    results = bench.measure(bench.all_races(np.array(scaled)), rounds, console)
    bench.show(results, console)
    if options.write:
        bench.write(results, path.name, side, rounds)
