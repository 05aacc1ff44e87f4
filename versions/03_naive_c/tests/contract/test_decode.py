"""Reading picture files: only the pixels matter, and no other program is started."""

import io
import os
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from conftest import POSTSCRIPT
from PIL import Image
from resnet50 import PictureError
from resnet50.containers import CLEANED, MOST_CHUNKS, MOST_SCANS
from resnet50.decode import FORMATS, LARGEST_FILE
from resnet50.image import load_picture

NUMBERS = np.random.RandomState(0)
COLOURS = NUMBERS.randint(0, 256, (40, 56, 3)).astype(np.uint8)
PNG = b"\x89PNG\r\n\x1a\n"
TURNED = Image.Exif()
TURNED[0x0112] = 6


def saved(path, picture=None, **settings):
    (picture or Image.fromarray(COLOURS)).save(path, **settings)
    return path


def chunk(name, data, checksum=None):
    """A chunk of a PNG file."""
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def with_chunk(path, extra):
    """Inserts a chunk behind the PNG file's header; returns the path."""
    data = path.read_bytes()
    path.write_bytes(data[:33] + extra + data[33:])
    return path


@pytest.mark.skipif(os.name != "posix", reason="the fake gs is a shell script")
@pytest.mark.parametrize("name", ["picture.jpg", "picture.eps"])
def test_no_other_program_is_started(tmp_path, ghostscript, name):
    path = tmp_path / name
    path.write_bytes(POSTSCRIPT)
    with pytest.raises(PictureError, match="is PostScript, not a picture in a supported format"):
        load_picture(path)
    assert not ghostscript.exists()


@pytest.mark.skipif(os.name != "posix", reason="the fake gs is a shell script")
def test_no_other_program_is_started_for_a_picture_that_the_caller_opened(tmp_path, ghostscript):
    (tmp_path / "picture.eps").write_bytes(POSTSCRIPT)
    with Image.open(tmp_path / "picture.eps") as opened, pytest.raises(PictureError, match="is EPS, not a picture"):
        load_picture(opened)
    assert not ghostscript.exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*convert it to JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC.*convert it to JPEG"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?>\n<svg/>", "SVG"),
        (b"\xff\x0a\x10\x10", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    ],
)
def test_an_unsupported_format_is_named(tmp_path, content, name):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(PictureError, match=rf"a\.jpg: is {name}") as caught:
        load_picture(tmp_path / "a.jpg")
    assert "JPEG, PNG, GIF, WEBP, BMP, TIFF, PPM" in str(caught.value)


def test_raw_pictures_are_named_not_taken_for_their_thumbnail(tmp_path):
    saved(tmp_path / "a.tiff", tiffinfo={0xC612: b"\1\4\0\0"})
    (tmp_path / "b.nef").write_bytes(saved(tmp_path / "b.tiff").read_bytes())
    for name in ("a.tiff", "b.nef"):
        with pytest.raises(PictureError, match="is raw camera data"):
            load_picture(tmp_path / name)


def test_a_picture_in_a_format_off_the_list_is_refused(tmp_path):
    for ending in ("tga", "ico", "pcx", "dds", "jp2"):
        if f".{ending}" in Image.registered_extensions():
            with pytest.raises(PictureError, match="not a picture in a supported format"):
                load_picture(saved(tmp_path / f"a.{ending}"))


def test_the_second_picture_in_a_phones_file_is_ignored(tmp_path):
    path = saved(tmp_path / "a.mpo", save_all=True, append_images=[Image.new("RGB", (56, 40))])
    np.testing.assert_array_equal(load_picture(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow has no AVIF")
def test_avif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.avif", quality=100, subsampling="4:4:4", exif=exif)
    assert load_picture(path).size == (40, 56)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
PROFILE = f"\nexif\n{len(TURNED.tobytes()):8}\n{TURNED.tobytes().hex()}".encode()


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_an_orientation_in_xmp_is_followed(tmp_path, ending):
    assert load_picture(saved(tmp_path / f"a.{ending}", xmp=XMP)).size == (40, 56)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"eXIf", TURNED.tobytes()[6:]),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
        chunk(b"tEXt", b"Raw profile type exif\0" + PROFILE),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(PROFILE)),
    ],
    ids=["exif", "xmp", "packed xmp", "profile", "packed profile"],
)
def test_an_orientation_in_a_png_is_followed_wherever_it_stands(tmp_path, extra):
    assert load_picture(with_chunk(saved(tmp_path / "a.png"), extra)).size == (40, 56)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff"])
def test_damaged_exif_leaves_a_picture_upright(tmp_path, ending):
    whole, damaged = tmp_path / f"whole.{ending}", tmp_path / f"damaged.{ending}"
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"  # claims 65535 tags, but has 2 bytes of them
    saved(whole)
    if ending == "tiff":
        saved(damaged, tiffinfo={0x8769: 99999})
    else:
        saved(damaged, exif=exif)
    np.testing.assert_array_equal(load_picture(damaged), load_picture(whole))


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow has no AVIF")
def test_damaged_exif_in_an_avif_does_not_matter(tmp_path):
    """libavif itself would refuse the file."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    path = saved(tmp_path / "a.avif", exif=exif)
    expected, data = np.asarray(load_picture(path)), path.read_bytes()
    assert data.count(b"MM\0*") == 1
    path.write_bytes(data.replace(b"MM\0*", b"ZZ\0*"))
    np.testing.assert_array_equal(load_picture(path), expected)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"key\0text", checksum=0),
        chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0", checksum=0),
        chunk(b"eXIf", b"nonsense"),
        chunk(b"tEXt", b"key\0" + bytes(1_100_000)),
        chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"iTXt", b"key\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"zTXt", b"key\0\7text"),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"pHYs", b"\0"),
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  zz\nno hex"),
        chunk(b"acTL", b"\0"),
    ],
    ids=["sum", "exif sum", "exif", "long", "zTXt bomb", "iTXt bomb", "method", "ICC bomb", "short", "profile", "film"],
)
def test_a_damaged_or_huge_chunk_of_metadata_does_not_matter(tmp_path, extra):
    path = with_chunk(saved(tmp_path / "a.png"), extra)
    np.testing.assert_array_equal(load_picture(path), COLOURS)


def test_an_empty_comment_in_a_jpeg_does_not_matter(tmp_path):
    path = saved(tmp_path / "a.jpg")
    expected, data = np.asarray(load_picture(path)), path.read_bytes()
    tables = data.index(b"\xff\xdb")
    path.write_bytes(data[:tables] + b"\xff\xfe\0\2" + data[tables:])
    np.testing.assert_array_equal(load_picture(path), expected)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_missing_end_mark_does_not_matter(tmp_path, ending):
    path = saved(tmp_path / f"a.{ending}")
    expected = np.asarray(load_picture(path))
    path.write_bytes(path.read_bytes()[: {"png": -12, "jpg": -2}[ending]])
    np.testing.assert_array_equal(load_picture(path), expected)


# Their width and height are multiples of 16, so that every coded pixel is visible. Pixels missing from the flat one
# look like those that libjpeg fills in: where its codes allow no others, the file is read.
FLAT = Image.new("RGB", (64, 48), (200, 90, 30))
NOISE = Image.fromarray(NUMBERS.randint(0, 256, (48, 64, 3)).astype(np.uint8))


@pytest.mark.parametrize("picture", [FLAT, NOISE], ids=["flat", "noise"])
@pytest.mark.parametrize(
    "settings", [{}, {"optimize": True}, {"quality": 100, "subsampling": 0}, {"restart_marker_blocks": 1}], ids=str
)
def test_a_jpeg_that_lacks_pixels_is_refused_wherever_it_was_cut(tmp_path, picture, settings):
    data = saved(tmp_path / "a.jpg", picture, **settings).read_bytes()
    expected = np.asarray(load_picture(tmp_path / "a.jpg"))
    scan = data.index(b"\xff\xda") + 14
    for length in range(max(scan, len(data) - 300), len(data) - 2):
        (tmp_path / "a.jpg").write_bytes(data[:length])
        try:
            read = load_picture(tmp_path / "a.jpg")
        except PictureError:
            continue
        assert picture is FLAT or length > len(data) - 4
        np.testing.assert_array_equal(read, expected)


def test_a_progressive_jpeg_that_may_lack_a_scan_is_refused(tmp_path):
    data = saved(tmp_path / "a.jpg", progressive=True).read_bytes()
    for place in [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"][1:]:
        (tmp_path / "a.jpg").write_bytes(data[:place])
        with pytest.raises(PictureError, match="truncated"):
            load_picture(tmp_path / "a.jpg")


def test_a_jpeg_of_very_many_scans_is_refused(tmp_path):
    """A scan of a hundred bytes visits all pixels: decoding a file of 1 MB could take half an hour."""
    data = saved(tmp_path / "a.jpg", FLAT, progressive=True).read_bytes()
    expected = np.asarray(load_picture(tmp_path / "a.jpg"))
    last = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + last * MOST_SCANS + b"\xff\xd9")
    with pytest.raises(PictureError, match="more than 100 scans"):
        load_picture(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(data + last * MOST_SCANS)  # after its end, where phones put videos
    np.testing.assert_array_equal(load_picture(tmp_path / "a.jpg"), expected)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with open(tmp_path / "a.webp", "wb") as file:
        file.write(b"RIFF\xff\xff\xff\x7fWEBPVP8X\x0a\0\0\0" + bytes(10))
        file.truncate(LARGEST_FILE + 1)  # sparse: takes no space on the disk
    with pytest.raises(PictureError, match="larger than 1,073,741,824 bytes"):
        load_picture(tmp_path / "a.webp")


class Counted(io.FileIO):
    """A file that fails the test when it is read in too many pieces."""

    reads = 0

    def read(self, *arguments):
        self.reads += 1
        assert self.reads <= 3 * MOST_CHUNKS
        return super().read(*arguments)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("PNG", PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 56, 40, 8, 2, 0, 0, 0))),
        ("GIF", b"GIF89a\x38\0\x28\0\0\0\0"),
        ("WEBP", b"RIFF\0\0\0\x40WEBP"),
        ("TIFF", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 40)),
    ],
    ids=["PNG", "GIF", "WEBP", "TIFF"],
)
def test_a_large_empty_file_is_not_searched_to_its_end_in_small_pieces(tmp_path, kind, head):
    """Reading this sparse GiB chunk by chunk, or byte by byte, would take minutes."""
    with open(tmp_path / "file", "wb") as file:
        file.write(head)
        file.truncate(LARGEST_FILE)
    with Counted(tmp_path / "file") as file, suppress(PictureError, struct.error):
        CLEANED[kind](file)
    with pytest.raises(PictureError):
        load_picture(tmp_path / "file")


def test_a_gif_may_have_stray_bytes_and_comments_before_its_frame(tmp_path):
    data = saved(tmp_path / "a.gif", Image.fromarray(COLOURS).quantize(16)).read_bytes()
    expected = np.asarray(load_picture(tmp_path / "a.gif"))
    frame = 13 + 3 * 16
    extras = b"\0\0" + b"!\xfe\x03,;!\x02!,\0"
    (tmp_path / "a.gif").write_bytes(data[:frame] + extras + data[frame:])
    np.testing.assert_array_equal(load_picture(tmp_path / "a.gif"), expected)
