"""Command lines, run in this process: they must end with exit code 0 and an empty stderr, or with 2 and one line."""

import base64
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from watch import alone, changing


class Refused(Exception):
    """The command ended with code 2 and a proper message, which this exception carries."""


def version(folder: Path):
    """The version's own commands, run in `folder`."""
    from resnet50 import __main__ as cli

    def call(data: bytes) -> None:
        given = json.loads(data)
        os.environ.update(given["variables"])
        pictures = max(1, len(given["arguments"]) - 1) if given["arguments"][0] == "classify" else 1
        run(lambda: cli.main(given["arguments"]), given["input"], most_lines=pictures)

    return call, (Refused,)


def pictures(folder: Path):
    """`classify` on a picture; the network is loaded once."""
    from resnet50 import ResNet50
    from resnet50 import __main__ as cli

    net = ResNet50(folder / "weights")
    cli.load_network = lambda args: net
    cli.main(["classify", "picture.png"])  # some versions compile C for the first picture

    def call(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        run(lambda: cli.main(["classify", "input"]), "")

    return alone(call), (Refused,)


def changing_pictures(folder: Path):
    """`classify` on a picture that changes while it is read."""
    call, refused = pictures(folder)
    from resnet50 import __main__ as cli

    prepare = cli.load_picture

    def change(data: bytes) -> None:
        given = json.loads(data)

        def load_picture(net, path):
            with changing(folder / "input", given):
                return prepare(net, path)

        cli.load_picture = load_picture
        (folder / "input").unlink(missing_ok=True)
        call(base64.b64decode(given["picture"]))

    return change, refused


def tools(folder: Path):
    """The other tools' command lines, which are parsed but not run."""
    from fuzzing.parsers import parsers

    made = parsers()

    def call(data: bytes) -> None:
        given = json.loads(data)
        parser = made[given["tool"]]

        def parse() -> int:
            parser.parse_args(given["arguments"])
            return 0

        run(parse, "")

    return call, (Refused,)


def run(command: Callable[[], int], lines: str, most_lines: int = 1) -> None:
    """Run a command with `lines` on stdin. Raises Refused, or AssertionError if it does not end as it should."""
    before = sys.stdin, sys.stdout, sys.stderr
    written = os.fstat(2).st_size
    sys.stdin = io.TextIOWrapper(io.BytesIO(lines.encode("utf-8", "surrogatepass")), "utf-8")
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8")
    sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")  # as Python itself opens it
    try:
        code = command()
        sys.stdout.flush()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.stderr.flush()
        words = sys.stderr.buffer.getvalue().decode()
        sys.stdin, sys.stdout, sys.stderr = before
    assert code in (0, 2), f"exit code {code}: {words}"
    assert (code == 0) == (words == ""), f"exit code {code}, but on stderr: {words!r}"
    assert len(words.splitlines()) <= most_lines, f"more than a line on stderr: {words}"
    assert "Traceback" not in words, words
    assert os.fstat(2).st_size == written, "something wrote to stderr that is not Python"
    if code:
        raise Refused(words.splitlines()[0])
