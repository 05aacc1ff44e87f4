"""Pictures: small ones of each format and kind that Pillow writes, with bytes, chunks and header numbers damaged."""

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from hypothesis.strategies import SearchStrategy
from PIL import Image

from fuzzing.mutation import damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def inputs() -> SearchStrategy[bytes]:
    """Picture files, most of them damaged."""
    return damaged(seeds, repaired)


@cache
def seeds() -> list[bytes]:
    """Right pictures of 9 x 7 pixels."""
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
    """A PNG file with every chunk's checksum made right, so that more than the first check sees what was damaged."""
    if not data.startswith(SIGNATURE):
        return data
    result, place = SIGNATURE, len(SIGNATURE)
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        content = data[place + 4 : place + 8 + length]  # the name, and what belongs to it
        result += data[place : place + 4] + content + struct.pack(">I", zlib.crc32(content))
        place += 12 + length
    return result
