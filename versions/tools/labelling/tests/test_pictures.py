"""The newest version on the nastiest files that there are: a row for each, and the same label as by itself."""

import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelling.__main__ import main
from ladder.core import environment
from ladder.core.selection import one_or_newest
from ladder.core.versions import ROOT
from ladder.core.worker import Worker
from ladder.outputs.naming import likeliest
from shared_weights.sets import read_labels

from .conftest import names, rows

SET = ROOT / "shared_weights" / "cifar10"
PHOTO = ROOT / "pics" / "eagle.jpg"


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(side: int) -> bytes:
    """A small PNG of side x side grey pixels."""
    deflate = zlib.compressobj()
    rows = b"".join(deflate.compress(bytes(side + 1)) for _ in range(side)) + deflate.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def nasty(tmp_path: Path) -> dict[str, str]:
    """A folder of bad files; their names, and what the reason for each begins with."""
    folder, photo = tmp_path / "nasty", PHOTO.read_bytes()
    folder.mkdir()
    header = struct.pack(">IIBBBBB", 1 << 16, 1 << 16, 8, 2, 0, 0, 0)
    contents = {
        "empty.jpg": (b"", "is not a picture in a supported format"),
        "text.png": (b"hello\n", "is not a picture in a supported format"),
        "cut.jpg": (photo[: len(photo) // 2], "image file is truncated"),
        "huge.png": (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""), "has 65536 x 65536 pixels"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC, not a picture in a supported format"),
        "program.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is PostScript, not a picture"),
        "drawing.svg": (b"<svg/>", "is SVG, not a picture"),
        "scans.jpg": (photo[:-2] + 200 * b"\xff\xda\0\x08\1\1\0\0\x3f\0", "is damaged: it has more than"),
        "noise.tiff": (b"II*\0" + bytes(range(256)) * 4, ""),
        "bomb.png": (bomb(12_000), "not enough memory for this picture"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(folder / "float.tiff")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "nowhere.jpg").symlink_to("none")
    (folder / "zeros.jpg").symlink_to("/dev/zero")
    with open(folder / "sparse.jpg", "wb") as sparse:
        sparse.truncate(2 << 30)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(folder / "socket.jpg"))
    others = {
        "float.tiff": "its pixels are floating-point numbers",
        "pipe.jpg": "is not a file",
        "socket.jpg": "is not a file",
        "loop.jpg": "",
        "nowhere.jpg": "there is no such file",
        "zeros.jpg": "is not a file",
        "sparse.jpg": "is larger than",
    }
    return {name: reason for name, (_, reason) in contents.items()} | others


def test_the_nastiest_files_get_a_row_each_and_good_ones_their_label(nasty: dict[str, str], tmp_path: Path):
    folder, out = tmp_path / "nasty", tmp_path / "out.csv"
    good = [*sorted((ROOT / "pics" / "cifar10_test").glob("*_0.png")), PHOTO]
    for picture in good:
        (folder / picture.name).symlink_to(picture)
    # The bomb takes 144 MB as grey pixels, and three times as much in colour.
    assert main([str(folder), "--out", str(out), "--weights", "cifar10", "--memory-limit", "300"]) == 0
    found = rows(out)
    assert found.keys() == names(folder) == {*nasty, *(picture.name for picture in good)}
    for name, reason in nasty.items():
        assert (found[name]["status"], found[name]["label"]) == ("failed", ""), name
        assert found[name]["reason"].startswith(reason) and str(folder) not in found[name]["reason"], found[name]
    version, labels = one_or_newest(ROOT, None), read_labels(SET)
    with Worker(version.name, environment.python(version), SET, threads=1) as worker:
        for picture in good:
            [(label, probability)] = likeliest(worker.infer(picture).logits, labels, 1)
            assert found[picture.name]["label"] == label
            assert float(found[picture.name]["score"]) == pytest.approx(probability, abs=1e-6)
