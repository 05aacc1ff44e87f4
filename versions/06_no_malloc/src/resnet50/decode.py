"""A picture file becomes pixels: in a listed format, without any helper program, in a stated amount of memory.

Memory, on top of three times the file's size: 8 bytes per pixel, or 16 in formats of which half as many pixels are
accepted (`check_size`), so 2 GiB at most. Time: no file is searched in more than MOST_CHUNKS small pieces, and the
pixels of a JPEG are walked MOST_SCANS times at most; small files could otherwise take hours.

Damage that leaves every pixel in place does not matter: of the metadata only the orientation is read, and the mark at
the end of a file may be missing. A file that lacks pixels is refused.
"""

import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

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

from .errors import PictureError

LARGEST_PICTURE = 1 << 28  # pixels: phone cameras reach 200 million; anything larger counts as a decompression bomb
LARGEST_FILE = 1 << 30  # bytes: the largest picture as uncompressed RGBA
LARGEST_METADATA = 1 << 20  # bytes of a chunk; one that holds an orientation has a few hundred

# The formats that are read, by Pillow's names. An MPO is a JPEG with more pictures behind the first.
PLUGINS = {
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "GIF": GifImagePlugin,
    "WEBP": WebPImagePlugin,
    "BMP": BmpImagePlugin,
    "TIFF": TiffImagePlugin,
    "PPM": PpmImagePlugin,
}
with suppress(ImportError):  # Pillow has it from 11.2 on, its wheels from 11.3 on
    PLUGINS["AVIF"] = import_module("PIL.AvifImagePlugin")
FORMATS = tuple(kind for kind, plugin in PLUGINS.items() if getattr(plugin, "SUPPORTED", True))

# Other formats, recognised by how a file begins; AVIF is for a Pillow that cannot read it.
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
RAW = {".arw", ".cr2", ".dng", ".nef", ".nrw", ".orf", ".pef", ".rw2", ".srw"}  # begin as TIFF does, show a thumbnail
HEIC_ADVICE = (
    "; convert it to JPEG: export it as JPEG on the computer, or let the iPhone make JPEG from now on "
    "(Settings, Camera, Formats, Most Compatible)"
)

ORIENTATION, DNG_VERSION, TILE_WIDTH, TILE_LENGTH = 0x0112, 0xC612, 322, 323  # tags of TIFF and EXIF
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
MOST_TAGS = (1 << 16) - 1  # in a directory: as many as a TIFF can count; a BigTIFF can claim 2^64
MOST_CHUNKS = 1 << 18  # of a PNG, WebP or GIF, each takes some microseconds: the largest file in pieces of 4 KiB
MOST_SCANS = 100  # of a JPEG, as many as libtiff allows; a progressive one has about ten. Each may walk all pixels
LARGEST_TILE = 1 << 20  # pixels of a TIFF's tile that may be larger than the picture; 512 x 512 are usual
MOST_NUMBERS = 1 << 20  # of one tag: in the largest picture that many strips or tiles have 256 pixels each
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TILE = 512  # pixels: the side of the squares in which pictures are converted

Turn = Image.Transpose | None
# exif, profile and xmp, bytes; orientation, a number; scan, where a JPEG's pixels begin; tile, the pixels of a TIFF's
Metadata = dict[Any, Any]


def decoded(path: Path, draft: tuple[int, int] | None = None) -> tuple[Image.Image, Turn]:
    """The first frame of a picture file, as stored and in any mode, and the turn that makes it upright.

    Where `draft` is given, a JPEG is decoded at a fraction of its size, not below `draft`. Raises `PictureError`
    without the file's name, or whatever one of Pillow's decoders raises at damage.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "is not a file"
        raise PictureError(what if path.exists() else "there is no such file")
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_FILE:
            raise PictureError(f"is larger than {LARGEST_FILE:,} bytes")
        kind = identified(file.read(1024).ljust(16, b"\0"), path.suffix.lower())
        file.seek(0)
        source, metadata = CLEANED[kind](file) if kind in CLEANED else (file, {})
        picture: Image.Image = opened(kind, source, draft)
        single = kind == "JPEG" and single_scan(picture, source, metadata["scan"])
        check_size(picture, several_scans=kind == "JPEG" and not single, tile=metadata.get("tile", 0))
        try:
            picture.load()
            return picture, turn({**picture.info, **metadata})
        except OSError:
            if not single:
                raise
        del picture  # as large as each of the two that are compared; only here the error holds it no longer
        return decoded_without_end(source, draft), turn(metadata)


def identified(head: bytes, ending: str) -> str:
    """The format of a file that begins with `head` and whose name has this ending; raises `PictureError`."""
    other = next((kind for kind, start in FOREIGN.items() if re.match(start, head, re.DOTALL)), None)
    if other is None and ending in RAW and head[:2] in (b"II", b"MM"):
        other = "raw camera data"
    for kind in FORMATS:
        accepts = Image.OPEN[kind][1]
        if other in (None, kind) and accepts and accepts(head[:16]) is True:
            return kind
    raise PictureError(refusal(other))


def refusal(kind: str | None) -> str:
    """The error for a file in this format, or in an unknown one."""
    what = f"is {kind}, not" if kind else "is not"
    return f"{what} a picture in a format that is read here ({', '.join(FORMATS)}){HEIC_ADVICE * (kind == 'HEIC')}"


def opened(kind: str, source: IO[bytes], draft: tuple[int, int] | None) -> ImageFile.ImageFile:
    """A picture whose pixels are not read yet.

    `Image.open` would add Pillow's own limit of pixels, which belongs to the whole process and cannot be raised here.
    """
    source.seek(0)
    try:
        picture = Image.OPEN[kind][0](source, "")
    except Image.DecompressionBombError as error:  # of WebP, inside of its plug-in
        raise PictureError(f"has too many pixels: {error}") from None
    check_size(picture)
    if kind == "TIFF":
        picture.load_end = lambda: None  # type: ignore[method-assign] # it would read all EXIF and turn
    if draft:
        picture.draft("RGB", draft)
    return picture


def check_size(picture: Image.Image, several_scans: bool = False, tile: int = 0) -> None:
    """Raises `PictureError` if the picture has no pixel or too many, or its largest tile has many more.

    Half as many may have: TIFF, WebP, AVIF, PPM, whose decoders hold up to three copies of a picture, and JPEG in
    several scans, progressive or one for each colour, of which libjpeg keeps all coefficients, 2 bytes each.
    """
    heavy = picture.format in ("TIFF", "WEBP", "AVIF", "PPM") or several_scans or "progressive" in picture.info
    most = LARGEST_PICTURE // 2 if heavy else LARGEST_PICTURE
    if 0 in picture.size:
        raise PictureError("has no pixel")
    if picture.width * picture.height > most:
        raise PictureError(f"has {picture.width} x {picture.height} pixels, more than {most:,} in all")
    if tile > max(LARGEST_TILE, picture.width * picture.height):
        raise PictureError(f"has {picture.width} x {picture.height} pixels, in tiles of {tile:,}")


def png(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """A file of the chunks that the pixels depend on, and the metadata that may hold the orientation.

    All other chunks are skipped, however large or damaged they are.
    """
    source, metadata = io.BytesIO(), Metadata()
    source.write(file.read(8))
    for _ in range(MOST_CHUNKS):
        if len(head := file.read(8)) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if kind == b"tRNS" or not kind[:1].islower():
            source.write(head)
            copy(file, source, length + 4)
        elif length > LARGEST_METADATA:
            file.seek(length + 4, os.SEEK_CUR)
        else:
            content = file.read(length)
            if file.read(4) == struct.pack(">I", zlib.crc32(kind + content)):
                with suppress(ValueError, zlib.error):
                    metadata |= png_metadata(kind, content)
        if kind == b"IEND":
            break
    return source, metadata


def png_metadata(kind: bytes, content: bytes) -> Metadata:
    """The EXIF or XMP in a chunk, if it holds any; raises `ValueError` or `zlib.error` if that is damaged."""
    if kind == b"eXIf":
        return {"exif": content}
    keyword, _, text = content.partition(b"\0")
    if kind == b"iTXt" and keyword == b"XML:com.adobe.xmp":
        packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
        return {"xmp": inflated(text) if packed else text}
    if kind in (b"tEXt", b"zTXt") and keyword == b"Raw profile type exif":  # as ImageMagick writes it
        text = inflated(text[1:]) if kind == b"zTXt" else text
        return {"profile": bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))}
    return {}


def inflated(packed: bytes) -> bytes:
    """zlib's data unpacked, up to LARGEST_METADATA; raises `zlib.error`."""
    return zlib.decompressobj().decompress(packed, LARGEST_METADATA)


# In front of the byte that says which segment of a JPEG begins: 0xFF, and before it what belongs to no segment.
JPEG_MARKER = re.compile(rb"(?:[^\xff]++|\xff++[\0\1\xd0-\xd8])*+\xff++")


def jpeg(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """A file of the segments that the pixels depend on; EXIF, XMP, and where the first scan begins.

    Comments and application segments are left out, except APP0 (JFIF) and APP14 (Adobe), which define the colours.
    """
    data = file.read()
    kept, metadata = [data[:2]], Metadata(scan=len(data))
    for code, start, end in segments(data):
        if code == 0xDA:
            metadata["scan"] = sum(map(len, kept))
            kept.append(data[start:])
            break
        if not (code == 0xFE or 0xE1 <= code <= 0xEF) or code == 0xEE:
            kept.append(data[start:end])
        elif data.startswith(b"Exif\0\0", start + 4):
            metadata.setdefault("exif", data[start + 4 : end])
        elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0", start + 4):
            metadata["xmp"] = data[start + 4 : end]
    # Counting these bytes is quick, but behind the picture they may mean something else.
    if data.count(b"\xff\xda") > MOST_SCANS and sum(code == 0xDA for code, _, _ in segments(data)) > MOST_SCANS:
        raise PictureError(f"is damaged: it has more than {MOST_SCANS} scans")
    del data
    return io.BytesIO(b"".join(kept)), metadata


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The segments of a JPEG up to its end mark: the byte that says which it is, where it begins, and where it ends."""
    place = 2
    while (marker := JPEG_MARKER.match(data, place)) and marker.end() < len(data):
        start, code = marker.end() - 1, data[marker.end()]
        if code == 0xD9:
            return
        place = start + 2 + max(int.from_bytes(data[start + 2 : start + 4], "big"), 2)
        yield code, start, place


def single_scan(picture: Image.Image, source: IO[bytes], scan: int) -> bool:
    """Whether the first scan of a JPEG, at this place, has all there is to each pixel."""
    source.seek(scan + 2)
    header = source.read(int.from_bytes(source.read(2), "big") - 2)
    return header[:1] == bytes([len(picture.getbands())]) and header.endswith(b"\0\x3f\0")


def decoded_without_end(source: IO[bytes], draft: tuple[int, int] | None) -> Image.Image:
    """A JPEG of one scan whose last bytes are missing, if no pixel depends on them; raises `PictureError`.

    libjpeg fills in missing pixels. So two endings are tried: all bits 0, and 1 and 0 in turn. Their first bits differ,
    and no code of a Huffman table begins with another, so a missing pixel differs too. If the file was cut where a
    restart marker would follow, one of the eight matches. A file of several scans may lack a whole one.
    """
    source.seek(0)
    data = source.read().rstrip(b"\xff")
    first, second = (ended(data, filler, draft) for filler in (b"\0", b"\xaa"))
    if any(first.crop(box).tobytes() != second.crop(box).tobytes() for box in tiles(first)):
        raise PictureError("image file is truncated: pixels are missing")
    return first


def ended(data: bytes, filler: bytes, draft: tuple[int, int] | None) -> Image.Image:
    """The JPEG `data`, followed by filler and a restart marker eight times, and by the end marker; decoded."""
    marks = b"".join(16 * filler + bytes([0xFF, mark]) for mark in (*range(0xD0, 0xD8), 0xD9))
    picture = opened("JPEG", io.BytesIO(data + marks), draft)
    picture.load()
    return picture


def tiff(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """The file as it is, its orientation, and the pixels of a tile. Raises `PictureError` for a raw picture, many tags.

    Pillow holds all tags of the first directory; each is in the file, but several may share the same bytes.
    """
    size, total, metadata = file.seek(0, os.SEEK_END), 0, Metadata()
    tile = {TILE_WIDTH: 0, TILE_LENGTH: 0}  # of a tag that is there twice readers take one or the other
    for tag, kind, numbers, first in directory(file):
        claimed = numbers * BYTES.get(kind, 0)
        total += claimed if claimed <= size else 0  # Pillow passes over what ends behind the file
        if total > 2 * size or (claimed <= size and numbers > MOST_NUMBERS and BYTES.get(kind, 1) > 1):
            raise PictureError("is damaged: its tags claim more than the file holds")
        if tag == DNG_VERSION:
            raise PictureError(refusal("raw camera data"))
        if tag == ORIENTATION:
            metadata["orientation"] = first
        if tag in tile:
            tile[tag] = max(tile[tag], first)
    metadata["tile"] = tile[TILE_WIDTH] * tile[TILE_LENGTH]
    return file, metadata


def webp(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """A file of the chunks that the first frame depends on; EXIF and XMP. libwebp would list every chunk."""
    source, metadata, names = io.BytesIO(), Metadata(), {b"EXIF": "exif", b"XMP ": "xmp"}
    source.write(file.read(12))
    wanted, claimed = {b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}, 4
    for _ in range(MOST_CHUNKS):
        if len(head := file.read(8)) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        padded = length + length % 2
        if kind in wanted:
            wanted.remove(kind)
            claimed += 8 + padded
            source.write(head)
            copy(file, source, padded)
        elif kind in names and length <= LARGEST_METADATA:
            metadata[names[kind]] = file.read(padded)[:length]
        else:
            file.seek(padded, os.SEEK_CUR)
    source.getbuffer()[4:8] = struct.pack("<I", claimed)
    return source, metadata


def gif(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """The file as it is. Raises `PictureError` if no frame comes soon: Pillow would search for one byte by byte."""
    flags = file.read(13).ljust(13, b"\0")[10]
    file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, os.SEEK_CUR)  # the palette
    inside = False  # an extension, which consists of a label and blocks, the last of them empty
    for _ in range(MOST_CHUNKS):
        byte = file.read(1)
        if not byte or (byte == b"," and not inside):
            return file, {}
        if inside:
            file.seek(byte[0], os.SEEK_CUR)
            inside = byte != b"\0"
        elif byte == b"!":
            inside = bool(file.read(1))
    raise PictureError("has no frame where one should be")


def copy(file: IO[bytes], source: IO[bytes], length: int) -> None:
    """As many of the next `length` bytes as there are."""
    for left in range(length, 0, -(1 << 20)):
        source.write(file.read(min(left, 1 << 20)))


def avif(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """The file without EXIF, which Pillow would parse and libavif check: what turns an AVIF stands elsewhere."""
    entry = rb"(infe(?:\x02.{7}|\x03.{9}))Exif"  # in the list of items, in either version of its entries
    return io.BytesIO(re.sub(entry, rb"\1none", file.read(), flags=re.DOTALL)), {}


CLEANED: dict[str, Callable[[IO[bytes]], tuple[IO[bytes], Metadata]]] = {
    "PNG": png,
    "JPEG": jpeg,
    "WEBP": webp,
    "GIF": gif,
    "TIFF": tiff,
    "AVIF": avif,
}


def directory(file: IO[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """The first directory of a TIFF, a BigTIFF or EXIF: tag, type, how many numbers, and the first if it stands there.

    Raises `struct.error` if it does not have all of its bytes, or claims too many tags.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(order + "H", head[2:4]) == (43,)
    (start,) = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])
    file.seek(min(start, 1 << 62))
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    if count > MOST_TAGS:
        raise struct.error(f"{count:,} tags in one directory")
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    for _ in range(count):
        tag, kind, numbers, value = entry.unpack(file.read(entry.size))
        form = "H" if kind == 3 else "Q" if big and kind in (16, 17) else "I"
        (first,) = struct.unpack_from(order + form, value)
        yield tag, kind, numbers, first


def turn(metadata: Metadata) -> Turn:
    """The turn that makes a picture upright; None if it needs none, or if the metadata is missing or damaged."""
    exif, xmp = metadata.get("exif") or metadata.get("profile"), metadata.get("xmp")
    value = metadata.get("orientation")
    if isinstance(exif, bytes):
        with suppress(struct.error):
            for tag, _, _, first in directory(io.BytesIO(re.sub(rb"^(Exif\0\0){1,2}", b"", exif))):
                value = first if tag == ORIENTATION else value
    if value is None and isinstance(xmp, bytes):
        found = re.search(rb'tiff:Orientation(?:="|>)([0-9])', xmp)
        value = int(found[1]) if found else None
    return TURNS.get(value or 1)


def tiles(picture: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """The squares that a picture consists of: left, top, right, bottom."""
    for top in range(0, picture.height, TILE):
        for left in range(0, picture.width, TILE):
            yield left, top, min(left + TILE, picture.width), min(top + TILE, picture.height)


def in_tiles(picture: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture converted to `mode` square by square, so that no intermediate result is as large as the picture."""
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
