"""The command line: a lesson on a picture, all lessons on all pictures, or the table of times."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape

from cv_basics.picture import check_whole
from cv_basics.streams import complain, shown

DEFAULT_FOLDER = Path(os.path.relpath(Path(__file__).parents[1] / "build" / "cv_basics"))


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {shown(' '.join(message.split()))}; see --help\n")

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="")  # argparse passes over what can't be written


def build_parser() -> argparse.ArgumentParser:
    """The parser; what it parses has the function to call in `command`."""
    from cv_basics.lessons import LESSONS

    parser = Parser(
        prog="python -m cv_basics",
        description="Picture basics by hand: each lesson computes the bytes that OpenCV gives and draws a figure.",
        epilog="Examples: python -m cv_basics canny pics/camera.png --low 50 --high 150; python -m cv_basics all",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, lesson in LESSONS.items():
        command = commands.add_parser(name, help=lesson.summary, description=f"Lesson {name}: {lesson.summary}.")
        command.add_argument(
            "picture", nargs="?", type=Path, metavar="PICTURE", help=f"any picture file; default: {lesson.picture}"
        )
        _add_folder(command)
        for option, settings in lesson.options.items():
            flag = f"--{option.replace('_', '-')}"
            if isinstance(settings.default, bool):
                command.add_argument(flag, action="store_true", help=settings.help)
            else:
                kind = type(settings.default)
                text = f"{settings.help} (default {settings.default:g})"
                command.add_argument(flag, type=kind, default=settings.default, metavar=option[0].upper(), help=text)
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

    bench = commands.add_parser("bench", help="times of loops, NumPy and OpenCV on one picture")
    bench.add_argument("picture", nargs="?", type=Path, metavar="PICTURE", help="a picture file; default: eagle.jpg")
    bench.add_argument("--side", type=int, default=512, metavar="N", help="pixels it is scaled to (default 512)")
    bench.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each is timed (default 5)")
    bench.add_argument("--write", action="store_true", help="put the table into the README")
    bench.set_defaults(command=_bench)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    try:
        options = build_parser().parse_args(arguments)
        options.command(options, Console())
    except BrokenPipeError:  # the reader of stdout, `head` say, has seen enough
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        complain(" ".join(str(error).split()))
        return 2
    except MemoryError:
        complain("there is not enough memory for a picture or a window of this size")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _add_folder(command: argparse.ArgumentParser) -> None:
    text = f"folder for what is made (default {DEFAULT_FOLDER})"
    command.add_argument("--out", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER", help=text)


def _lesson(options: argparse.Namespace, console: Console) -> None:
    from cv_basics.gallery import PICS, run_lesson
    from cv_basics.lessons import LESSONS

    lesson = LESSONS[options.lesson]
    path = options.picture or PICS / lesson.picture
    chosen: dict[str, Any] = {name: getattr(options, name) for name in lesson.options}
    with console.status(escape(shown(f"{options.lesson} {path.name}"))):
        outcome, written = run_lesson(options.lesson, path, options.out, path.stem, chosen)
    console.print(shown(f"{path.name}: {outcome.findings}"), markup=False, highlight=False, soft_wrap=True)
    for each in written:
        console.print(shown(str(each)), markup=False, highlight=False, soft_wrap=True)


def _all(options: argparse.Namespace, console: Console) -> None:
    from cv_basics.gallery import default_pictures, make_all, make_readme_figures

    if options.readme:
        written = make_readme_figures(console)
    else:
        written = [make_all(options.pictures or default_pictures(), options.out, console)]
    for each in written:
        console.print(shown(str(each)), markup=False, highlight=False, soft_wrap=True)


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
    times = bench.measure(bench.races(np.array(scaled)), rounds, console)
    bench.show(times, console)
    if options.write:
        bench.write(times, path.name, side, rounds)
