"""Events while an input is read: programs that are started, and files that are changed meanwhile."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WATCHED: dict[str, Callable[[], None]] = {}  # a file's absolute name -> what to do when it is opened
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}


def alone(call: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """`call`, made to fail if it starts a program: some of Pillow's readers do."""
    started: list[str] = []
    sys.addaudithook(lambda event, arguments: started.append(event) if event in STARTS else None)

    def watched(data: bytes) -> None:
        started.clear()
        try:
            call(data)
        finally:
            assert not started, f"a program was started: {started[0]}"

    return watched


def announce(event: str, arguments: tuple[Any, ...]) -> None:
    """Look whether a file of WATCHED is being opened."""
    if WATCHED and event == "open" and (act := WATCHED.get(os.path.abspath(str(arguments[0])))):
        act()


sys.addaudithook(announce)  # once, for no hook can be removed


@contextmanager
def changing(file: Path, given: dict[str, Any]) -> Iterator[None]:
    """Change `file` before this thread's call number `given["at"]` of a C function, as every way to read a file is.

    With `given["opened"]` calls are counted from the first time that the file is opened.
    """
    left = given["at"]

    def begin() -> None:
        WATCHED.clear()
        sys.setprofile(count)

    def count(frame: object, event: str, function: object) -> None:
        nonlocal left
        if event == "c_call":
            left -= 1
            if left < 0:
                sys.setprofile(None)
                change(file, given["how"], given["place"], bytes([given["byte"]]))

    if given["opened"]:
        WATCHED[str(file)] = begin
    else:
        begin()
    try:
        yield
    finally:
        sys.setprofile(None)
        WATCHED.clear()


def change(file: Path, how: str, place: int, byte: bytes) -> None:
    """Change a file as another program might."""
    match how:
        case "cut":
            os.truncate(file, place)
        case "grow":
            with file.open("ab") as opened:
                opened.write(byte * (place + 1))
        case "overwrite":
            with file.open("r+b") as opened:
                opened.seek(place)
                opened.write(byte * 400)
        case "replace":
            content = bytearray(file.read_bytes())
            content[place : place + 4] = byte * 4
            other = file.with_name("other.part")
            other.write_bytes(content)
            other.replace(file)
        case _:
            file.unlink()
