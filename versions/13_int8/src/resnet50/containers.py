"""The structure of a picture file: the parts that its pixels depend on, and the metadata that may hold its orientation.

Pillow could read it too, but it rejects intact pixels if the metadata beside them is damaged, and sets no limit to some
structures: small files could take hours. Here no file is searched in more than MOST_CHUNKS small pieces, and a JPEG's
pixels are decoded in at most MOST_SCANS passes.
"""

import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Any

from PIL import Image

from .errors import PictureError

LARGEST_METADATA = 1 << 20  # bytes of a chunk; one that holds an orientation has a few hundred
ORIENTATION, DNG_VERSION, TILE_WIDTH, TILE_LENGTH = 0x0112, 0xC612, 322, 323  # tags of TIFF and EXIF
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
MOST_TAGS = (1 << 16) - 1  # in a directory: as many as a TIFF can have; a BigTIFF can claim 2^64
MOST_CHUNKS = 1 << 18  # of a PNG, WebP or GIF, at some microseconds each: the largest file in pieces of 4 KiB
MOST_SCANS = 100  # of a JPEG, as many as libtiff allows; a progressive one has about ten. Each may visit all pixels
MOST_NUMBERS = 1 << 20  # of one tag: with as many strips or tiles, the largest picture has 256 pixels in each
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Turn = Image.Transpose | None
# exif, profile and xmp: bytes; orientation: a number; scan: where a JPEG's pixels begin; tile: the pixels of a TIFF's
# tile; raw: present if a TIFF is a camera's raw data
Metadata = dict[Any, Any]


def png(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """A file of the chunks that the pixels depend on, and the metadata that may hold the orientation.

    All other chunks are skipped, however large or damaged.
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
    """The EXIF or XMP in a chunk, if there is any; raises `ValueError` or `zlib.error` if it is damaged."""
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
    """Data unpacked by zlib, up to LARGEST_METADATA; raises `zlib.error`."""
    return zlib.decompressobj().decompress(packed, LARGEST_METADATA)


# What precedes the byte that says which segment of a JPEG begins: bytes that belong to no segment, then 0xFF.
JPEG_MARKER = re.compile(rb"(?:[^\xff]++|\xff++[\0\1\xd0-\xd8])*+\xff++")


def jpeg(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """A file of the segments that the pixels depend on; the metadata: EXIF, XMP, and where the first scan begins.

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
    # Counting these bytes is quick, but after the picture they may mean something else.
    if data.count(b"\xff\xda") > MOST_SCANS and sum(code == 0xDA for code, _, _ in segments(data)) > MOST_SCANS:
        raise PictureError(f"is damaged: it has more than {MOST_SCANS} scans")
    del data
    return io.BytesIO(b"".join(kept)), metadata


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The segments of a JPEG up to its end mark: the byte that says which it is, its begin and its end."""
    place = 2
    while (marker := JPEG_MARKER.match(data, place)) and marker.end() < len(data):
        start, code = marker.end() - 1, data[marker.end()]
        if code == 0xD9:
            return
        place = start + 2 + max(int.from_bytes(data[start + 2 : start + 4], "big"), 2)
        yield code, start, place


def tiff(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """The file as it is; the metadata: orientation, the pixels of a tile, and whether it is raw data.

    Raises `PictureError` for too many tags: Pillow keeps all of the first directory, and although each is in the file,
    several may share the same bytes.
    """
    size, total, metadata = file.seek(0, os.SEEK_END), 0, Metadata()
    tile = {TILE_WIDTH: 0, TILE_LENGTH: 0}  # if a tag occurs twice, readers disagree on which one counts
    for tag, kind, numbers, first in directory(file):
        claimed = numbers * BYTES.get(kind, 0)
        total += claimed if claimed <= size else 0  # Pillow skips what ends beyond the file
        if total > 2 * size or (claimed <= size and numbers > MOST_NUMBERS and BYTES.get(kind, 1) > 1):
            raise PictureError("is damaged: its tags claim more than the file holds")
        if tag == DNG_VERSION:
            metadata["raw"] = True
            break
        if tag == ORIENTATION:
            metadata["orientation"] = first
        if tag in tile:
            tile[tag] = max(tile[tag], first)
    metadata["tile"] = tile[TILE_WIDTH] * tile[TILE_LENGTH]
    return file, metadata


def webp(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """A file of the chunks that the first frame depends on; EXIF and XMP. libwebp would list all chunks."""
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
    """The file as it is. Raises `PictureError` if no frame begins soon: Pillow would search for one byte by byte."""
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
    raise PictureError("has no frame where one should begin")


def copy(file: IO[bytes], source: IO[bytes], length: int) -> None:
    """Copies the next `length` bytes, or as many as there are."""
    for left in range(length, 0, -(1 << 20)):
        source.write(file.read(min(left, 1 << 20)))


def avif(file: IO[bytes]) -> tuple[IO[bytes], Metadata]:
    """The file without EXIF, which Pillow would parse and libavif check: an AVIF has its orientation elsewhere."""
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
    """The first directory of a TIFF, a BigTIFF or EXIF: tag, type, count of numbers, and the first one if it is inline.

    Raises `struct.error` if the directory is incomplete or claims too many tags.
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
