"""From a picture file to pixels: in a listed format, without any helper program, with bounded memory.

The memory is three times the file's size, plus 8 bytes per pixel, or 16 in formats of which half as many pixels are
accepted (`check_size`), so 2 GiB at most.

Damage that leaves every pixel intact does not matter: of the metadata only the orientation is read, and the mark at the
end of a file may be missing. A file that lacks pixels is rejected.
"""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .containers import CLEANED, Turn, turn
from .errors import PictureError

LARGEST_PICTURE = 1 << 28  # pixels: phone cameras reach 200 million; anything larger may be a decompression bomb
LARGEST_FILE = 1 << 30  # bytes: the largest picture as uncompressed RGBA
LARGEST_TILE = 1 << 20  # pixels of a TIFF's tile, which may be larger than the picture; 512 x 512 are usual

# The supported formats, by Pillow's names. An MPO is a JPEG with more pictures after the first.
PLUGINS = {
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "GIF": GifImagePlugin,
    "WEBP": WebPImagePlugin,
    "BMP": BmpImagePlugin,
    "TIFF": TiffImagePlugin,
    "PPM": PpmImagePlugin,
}
with suppress(ImportError):  # in Pillow from 11.2 on, in its wheels from 11.3 on
    PLUGINS["AVIF"] = import_module("PIL.AvifImagePlugin")
FORMATS = tuple(kind for kind, plugin in PLUGINS.items() if getattr(plugin, "SUPPORTED", True))

# Other formats, recognised by the first bytes of a file; AVIF is for a Pillow that cannot read it.
FOREIGN = {
    "HEIC": rb"....ftyp(hei|hev|m[is]f1(?!.{,48}avi[fs]))",
    "AVIF": rb"....ftyp(avi[fs]|m[is]f1)",
    "PostScript": rb"\x04?%!|\xc5\xd0\xd3\xc6",
    "PDF": rb"%PDF",
    "SVG": rb"(\xef\xbb\xbf)?\s*<(svg|(\?xml|!--|!DOCTYPE).*<svg)",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ",
    "raw camera data": rb"FUJIFILMCCD|IIU\0|IIR[OS]|....ftypcrx|II\*\0\x10\0\0\0CR",
    "Photoshop": rb"8BPS",
    "a Windows metafile": rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF",
}
RAW = {".arw", ".cr2", ".dng", ".nef", ".nrw", ".orf", ".pef", ".rw2", ".srw"}  # they begin as TIFF does
HEIC_ADVICE = (
    "; convert it to JPEG: export it as JPEG on the computer, or let the iPhone make JPEG from now on "
    "(Settings, Camera, Formats, Most Compatible)"
)

TILE = 512  # pixels: the side of the squares in which pictures are converted


def decoded(path: Path, draft: tuple[int, int] | None = None) -> tuple[Image.Image, Turn]:
    """The first frame of a picture file, as stored and in any mode, and the turn that makes it upright.

    If `draft` is given, a JPEG is decoded at a fraction of its size, but not below `draft`. Raises `PictureError`,
    without the file's name, or whatever Pillow's decoders raise for a damaged file.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "is not a file"
        raise PictureError(what if path.exists() else "there is no such file")
    with open(path, "rb", buffering=0, opener=without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PictureError("is not a file")
        if status.st_size > LARGEST_FILE:
            raise PictureError(f"is larger than {LARGEST_FILE:,} bytes")
        kind = identified(file.read(1024).ljust(16, b"\0"), path.suffix.lower())
        file.seek(0)
        source, metadata = CLEANED[kind](file) if kind in CLEANED else (file, {})
        if "raw" in metadata:
            raise PictureError(refusal("raw camera data"))
        picture: Image.Image = opened(kind, source, draft)
        single = kind == "JPEG" and single_scan(picture, source, metadata["scan"])
        check_size(picture, several_scans=kind == "JPEG" and not single, tile=metadata.get("tile", 0))
        try:
            picture.load()
            return picture, turn({**picture.info, **metadata})
        except OSError:
            if not single:
                raise
        del picture  # as large as each of the two that are compared; in the handler the error would still hold it
        return decoded_without_end(source, draft), turn(metadata)


def without_waiting(path: str, flags: int) -> int:
    """For `open`: if a pipe has replaced the file since it was checked, opening it does not wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has none


def identified(head: bytes, ending: str) -> str:
    """The format of a file that begins with `head` and whose name ends with `ending`; raises `PictureError`."""
    other = next((kind for kind, start in FOREIGN.items() if re.match(start, head, re.DOTALL)), None)
    if other is None and ending in RAW and head[:2] in (b"II", b"MM"):
        other = "raw camera data"
    for kind in FORMATS:
        accepts = Image.OPEN[kind][1]
        if other in (None, kind) and accepts and accepts(head[:16]) is True:
            return kind
    raise PictureError(refusal(other))


def refusal(kind: str | None) -> str:
    """The error message for a file in the unsupported format `kind`, or in an unknown one."""
    what = f"is {kind}, not" if kind else "is not"
    advice = HEIC_ADVICE if kind == "HEIC" else ""
    return f"{what} a picture in a supported format ({', '.join(FORMATS)}){advice}"


def opened(kind: str, source: IO[bytes], draft: tuple[int, int] | None) -> ImageFile.ImageFile:
    """A picture whose pixels have not been read yet.

    `Image.open` would also apply Pillow's own limit of pixels, which belongs to the whole process and must not be
    changed here.
    """
    source.seek(0)
    try:
        picture = Image.OPEN[kind][0](source, "")
    except Image.DecompressionBombError as error:  # from the plug-in for WebP
        raise PictureError(f"has too many pixels: {error}") from None
    check_size(picture)
    if kind == "TIFF":
        picture.load_end = lambda: None  # type: ignore[method-assign] # it would read all EXIF, and rotate the picture
    if draft:
        picture.draft("RGB", draft)
    return picture


def check_size(picture: Image.Image, several_scans: bool = False, tile: int = 0) -> None:
    """Raises `PictureError` if the picture has no pixels or too many, or its largest tile has many more.

    The limit is half as high for TIFF, WebP, AVIF and PPM, whose decoders hold up to three copies of a picture, and for
    JPEG in several scans, progressive or one per colour: libjpeg keeps all coefficients of those, 2 bytes each.
    """
    heavy = picture.format in ("TIFF", "WEBP", "AVIF", "PPM") or several_scans or "progressive" in picture.info
    most = LARGEST_PICTURE // 2 if heavy else LARGEST_PICTURE
    if 0 in picture.size:
        raise PictureError("has no pixels")
    if picture.width * picture.height > most:
        raise PictureError(f"has {picture.width} x {picture.height} pixels, more than {most:,} in all")
    if tile > max(LARGEST_TILE, picture.width * picture.height):
        raise PictureError(f"has {picture.width} x {picture.height} pixels, in tiles of {tile:,}")


def single_scan(picture: Image.Image, source: IO[bytes], scan: int) -> bool:
    """Whether the first scan of a JPEG, which begins at `scan`, contains all the data of every pixel."""
    source.seek(scan + 2)
    header = source.read(int.from_bytes(source.read(2), "big") - 2)
    return header[:1] == bytes([len(picture.getbands())]) and header.endswith(b"\0\x3f\0")


def decoded_without_end(source: IO[bytes], draft: tuple[int, int] | None) -> Image.Image:
    """A JPEG of one scan whose last bytes are missing, if no pixel depends on them; raises `PictureError`.

    libjpeg fills in missing pixels. So two endings are tried: all bits 0, and 1 and 0 alternately. Their first bits
    differ, and no code in a Huffman table is the prefix of another, so a missing pixel differs too. If the file was cut
    where a restart marker should follow, one of the eight matches. A file of several scans could lack a whole one.
    """
    source.seek(0)
    data = source.read().rstrip(b"\xff")
    first, second = (ended(data, filler, draft) for filler in (b"\0", b"\xaa"))
    if any(first.crop(box).tobytes() != second.crop(box).tobytes() for box in tiles(first)):
        raise PictureError("image file is truncated: pixels are missing")
    return first


def ended(data: bytes, filler: bytes, draft: tuple[int, int] | None) -> Image.Image:
    """The JPEG `data`, decoded, followed eight times by filler and a restart marker, then by the end marker."""
    marks = b"".join(16 * filler + bytes([0xFF, mark]) for mark in (*range(0xD0, 0xD8), 0xD9))
    picture = opened("JPEG", io.BytesIO(data + marks), draft)
    picture.load()
    return picture


def tiles(picture: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """The squares that cover a picture: left, top, right, bottom."""
    for top in range(0, picture.height, TILE):
        for left in range(0, picture.width, TILE):
            yield left, top, min(left + TILE, picture.width), min(top + TILE, picture.height)


def in_tiles(picture: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture converted to `mode`, square by square, so that no intermediate result is as large as the picture."""
    result = Image.new(mode, picture.size)
    for box in tiles(picture):
        result.paste(convert(picture.crop(box)), box)
    return result


def over_white(picture: Image.Image) -> Image.Image:
    """The picture as RGB, over white where it is transparent."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
