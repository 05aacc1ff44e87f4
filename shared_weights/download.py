"""Downloading a file whose SHA-256 is known in part; what has arrived before a break is not asked for again."""

import errno
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

from ladder.core import installing, terminal

from .sets import WeightSetError
from .tensor_file import named_errors, sha256

PATIENCE = 30.0  # seconds without a byte until a connection counts as broken; urllib by default waits forever
ATTEMPTS = 10
PAUSE = 1.0  # seconds between two of them
BLOCK = 1 << 18
LARGEST = 1 << 30  # bytes; a server that sends more has another file

Report = Callable[[float, str], None]  # is told the fraction that is there, and the same in words


class Broken(Exception):
    """A connection could not be made, or broke; the message says how."""


def download(url: str, target: Path, prefix: str) -> None:
    """Get the file at `url`, whose SHA-256 begins with `prefix`, in hexadecimal, unless `target` is there.

    Until it is whole and right it is called `target`.part; the next call goes on from there. Two processes that want
    the same file wait for one another. Raises `WeightSetError`, or `OSError` where nothing can be written.
    """
    if target.is_file():  # perhaps in a folder that can't be written
        return
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with installing.held(target.with_name(f".{target.name}.lock"), f"downloading {target.name}", terminal.note):
        if target.is_file():  # the other process has got it
            return
        with terminal.still_progress(f"downloading {target.name}") as report:
            _persist(url, part, report)
        if not sha256(part).startswith(prefix):
            part.unlink()
            raise WeightSetError(f"{url}: this is another file: its SHA-256 does not begin with {prefix}")
        part.replace(target)


def _persist(url: str, part: Path, report: Report) -> None:
    """Fill `part`, in several attempts as long as each brings something; raises `WeightSetError` after the last."""
    for _ in range(ATTEMPTS):
        before = _size(part)
        try:
            return _attempt(url, part, before, report)
        except Broken as error:
            reason = str(error)
        if _size(part) <= before:
            break
        time.sleep(PAUSE)
    if here := _size(part):
        advice = f"{here / 1e6:.0f} MB are here, and the same command resumes there"
    else:
        advice = f"without a network, put the file into {part.parent}"
    raise WeightSetError(f"{url} could not be downloaded ({reason}); {advice}")


def _size(part: Path) -> int:
    """How many bytes are there already."""
    return part.stat().st_size if part.exists() else 0


def _attempt(url: str, part: Path, have: int, report: Report) -> None:
    """Ask once for what comes after the first `have` bytes, and append it to `part`; raises Broken."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if error.headers.get("Content-Range") == f"bytes */{have}":  # it is whole
                return
            part.unlink()  # it is longer than the file
            return _attempt(url, part, 0, report)
        raise Broken(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Broken(_reason(error)) from error
    with answer:
        start, total = _extent(answer, have)
        with named_errors(part):
            _append(part, start, total, _blocks(answer), report)


def _extent(answer: http.client.HTTPResponse, have: int) -> tuple[int, int]:
    """Where the answer's first byte belongs in the file, and how long the file will be, 0 if that is not known."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if not found or int(found[1]) != have:
            raise Broken("the server sends another part than the one requested")
        return have, int(found[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else 0


def _blocks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """What comes, block by block; raises Broken."""
    while True:
        try:
            block = answer.read1(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise Broken(_reason(error)) from error
        if not block:
            return
        yield block


def _reason(error: Exception) -> str:
    """What the network says, on one line."""
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__


def _append(part: Path, start: int, total: int, blocks: Iterator[bytes], report: Report) -> None:
    """Write the blocks to `part` from byte `start` on; raises Broken if they end before the file of `total` bytes."""
    if shutil.disk_usage(part.parent).free < total - start:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with open(part, "ab") as file:
        file.truncate(start)  # to nothing, if the server can't send only what is missing
        done = start
        for block in blocks:
            done += file.write(block)
            report(done / total if total else 0.0, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else "")
            if done > LARGEST:
                part.unlink()
                raise WeightSetError(f"{part.name}: the server sends more than {LARGEST:,} bytes: that is another file")
    if done < total:
        raise Broken(f"the connection broke after {done:,} of {total:,} bytes")
