"""Pictures: small ones of each format and kind that Pillow writes, with damaged bytes, chunks and header numbers.

They include formats that are not accepted: Pillow chooses the reader by a file's content, not by its name.
"""

import io
import struct
import warnings
import zlib
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from hypothesis.strategies import SearchStrategy
from PIL import Image

from fuzzing.mutation import damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def inputs() -> SearchStrategy[bytes]:
    """Picture files, most of them damaged."""
    return damaged(lambda: seeds() + strangers(), repaired)


@cache
def strangers() -> list[bytes]:
    """Pictures of every other format that Pillow writes, and PostScript programs, for which it starts Ghostscript."""
    rgb = Image.effect_mandelbrot((9, 7), (-2, -1, 1, 1), 50).convert("RGB")
    found = []
    Image.init()
    for format in sorted(Image.SAVE.keys() - {Image.open(io.BytesIO(seed)).format for seed in seeds()}):
        for mode in ("RGB", "L", "1"):
            # Skips modes that a format lacks, libraries that Pillow was built without, and deprecated formats.
            with suppress(Exception), warnings.catch_warnings(action="error"):
                found.append(saved(rgb.convert(mode), format))
    box = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 7\n%%EndComments\n"
    binary = b"\xc5\xd0\xd3\xc6" + struct.pack("<7I", 32, 99, *[0] * 5)  # a header with the offset of the program
    return [*found, box + b"showpage\n", box + b"{} loop\n", binary + box]


@cache
def seeds() -> list[bytes]:
    """Valid pictures of 9 x 7 pixels."""
    numbers = np.random.RandomState(0)
    rgb = Image.fromarray(numbers.randint(0, 256, (7, 9, 3), np.uint8))
    alpha = Image.fromarray(numbers.randint(0, 256, (7, 9, 4), np.uint8))
    deep = Image.fromarray(numbers.randint(0, 65536, (7, 9)).astype(np.uint16))
    grey, bits, palette, ink = (rgb.convert(mode) for mode in ("L", "1", "P", "CMYK"))
    turned = Image.Exif()
    turned.update({0x0112: 6, 0x010F: "maker", 0x011A: 72.5, 0x8298: "nobody"})
    film: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    return [
        *(saved(picture, "PNG") for picture in (rgb, alpha, grey, bits, deep, grey.convert("LA"))),
        saved(palette, "PNG", transparency=3),
        saved(rgb, "PNG", exif=turned, dpi=(72, 72)),
        saved(rgb, "PNG", **film),
        *(saved(picture, "JPEG") for picture in (rgb, grey, ink)),
        saved(rgb, "JPEG", progressive=True, exif=turned),
        saved(rgb, "JPEG", subsampling=0, restart_marker_blocks=1),
        saved(palette, "GIF", transparency=3, interlace=1),
        saved(rgb, "GIF", **film),
        *(saved(picture, "BMP") for picture in (rgb, palette, bits, alpha)),
        *(saved(picture, "TIFF") for picture in (rgb, bits, deep, grey.convert("F"), grey.convert("I"))),
        *(saved(rgb, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        saved(bits, "TIFF", compression="group4"),
        saved(ink, "TIFF", exif=turned),
        *(saved(picture, "WEBP") for picture in (rgb, alpha)),
        saved(alpha, "WEBP", lossless=True, exif=turned),
        saved(rgb, "WEBP", **film),
    ]


def saved(picture: Image.Image, format: str, **settings: Any) -> bytes:
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, format, **settings)
    return file.getvalue()


def repaired(data: bytes) -> bytes:
    """A PNG file with every chunk's checksum corrected, so that the damage gets past the first check."""
    if not data.startswith(SIGNATURE):
        return data
    result, place = SIGNATURE, len(SIGNATURE)
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        content = data[place + 4 : place + 8 + length]  # the chunk's name and data
        result += data[place : place + 4] + content + struct.pack(">I", zlib.crc32(content))
        place += 12 + length
    return result
