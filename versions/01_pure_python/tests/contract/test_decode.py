"""Of a picture's file nothing but pixels matters, no other program is started, and memory has a stated bound."""

import io
import os
import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import numpy as np
import pytest
from conftest import POSTSCRIPT
from PIL import Image
from resnet50 import PictureError
from resnet50.containers import CLEANED, MOST_CHUNKS, MOST_SCANS
from resnet50.decode import FORMATS, LARGEST_FILE, LARGEST_PICTURE
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
    """The PNG file with another chunk behind its header."""
    data = path.read_bytes()
    path.write_bytes(data[:33] + extra + data[33:])
    return path


@pytest.mark.skipif(os.name != "posix", reason="gs is played by a shell script")
@pytest.mark.parametrize("name", ["picture.jpg", "picture.eps"])
def test_no_other_program_is_started(tmp_path, ghostscript, name):
    path = tmp_path / name
    path.write_bytes(POSTSCRIPT)
    with pytest.raises(PictureError, match="is PostScript, not a picture in a supported format"):
        load_picture(path)
    assert not ghostscript.exists()


@pytest.mark.skipif(os.name != "posix", reason="gs is played by a shell script")
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
def test_a_format_that_is_not_read_is_named(tmp_path, content, name):
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


def test_a_telephones_second_picture_is_no_hindrance(tmp_path):
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
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"  # 65535 tags, of which there are 2 bytes
    saved(whole)
    if ending == "tiff":
        saved(damaged, tiffinfo={0x8769: 99999})
    else:
        saved(damaged, exif=exif)
    np.testing.assert_array_equal(load_picture(damaged), load_picture(whole))


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow has no AVIF")
def test_damaged_exif_in_an_avif_does_not_matter(tmp_path):
    """Which libavif would refuse."""
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


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_missing_end_mark_does_not_matter(tmp_path, ending):
    path = saved(tmp_path / f"a.{ending}")
    expected = np.asarray(load_picture(path))
    path.write_bytes(path.read_bytes()[: {"png": -12, "jpg": -2}[ending]])
    np.testing.assert_array_equal(load_picture(path), expected)


# Their width and height are multiples of 16: all that is coded is visible. What is missing of the flat one looks like
# what libjpeg makes up, and where its codes allow nothing else, it is read.
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
    """A scan of a hundred bytes walks all pixels: a file of 1 MB could take half an hour."""
    data = saved(tmp_path / "a.jpg", FLAT, progressive=True).read_bytes()
    expected = np.asarray(load_picture(tmp_path / "a.jpg"))
    last = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + last * MOST_SCANS + b"\xff\xd9")
    with pytest.raises(PictureError, match="more than 100 scans"):
        load_picture(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(data + last * MOST_SCANS)  # behind its end, as telephones put films
    np.testing.assert_array_equal(load_picture(tmp_path / "a.jpg"), expected)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with open(tmp_path / "a.webp", "wb") as file:
        file.write(b"RIFF\xff\xff\xff\x7fWEBPVP8X\x0a\0\0\0" + bytes(10))
        file.truncate(LARGEST_FILE + 1)  # takes no room on the disk
    with pytest.raises(PictureError, match="larger than 1,073,741,824 bytes"):
        load_picture(tmp_path / "a.webp")


class Counted(io.FileIO):
    """A file that can be read in so many pieces, and no more."""

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
    """It takes no room on the disk. To read a GiB chunk by chunk, or byte by byte, takes minutes."""
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


def empty_png(width, height, depth, colours, extra=b""):
    """A PNG file of black pixels, a thousandth of their size."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    packer = zlib.compressobj()
    rows = [packer.compress(bytes(1 + (width * channels * depth + 7) // 8)) for _ in range(height)]
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", b"".join(rows) + packer.flush()) + chunk(b"IEND", b"")


PALETTE = chunk(b"PLTE", bytes(range(256)) * 3) + chunk(b"tRNS", bytes(range(256)))
SIZE = 4000, 2500  # 10 million pixels, of which the bound is well above what else differs from run to run
PICTURE = Image.effect_noise((500, 313), 50).convert("RGB").resize(SIZE)


def file_of(picture, format, **settings):
    file = io.BytesIO()
    picture.save(file, format, **settings)
    return file.getvalue()


def sixteen_bit_tiff():
    """RGB in a single strip, packed."""
    width, height = SIZE
    strip = zlib.compress(bytes(6 * width * height))
    tags = [(256, width), (257, height), (258, 138), (259, 8), (262, 2), (273, 144), (277, 3), (278, height)]
    tags += [(279, len(strip)), (284, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, v) for tag, v in tags)
    return b"II*\0\x08\0\0\0\x0a\0" + entries + bytes(4) + bytes(4) + struct.pack("<3H", 16, 16, 16) + strip


def text_bombs():
    """64 chunks of 1 MB each when unpacked, of letters that Python keeps in 4 bytes."""
    packed = zlib.compress("\N{GRINNING FACE}".encode() + b"a" * 1_000_000)
    return b"".join(chunk(b"iTXt", b"key%d\0\1\0\0\0" % number + packed) for number in range(60))


def segment(code, content):
    return bytes([0xFF, code]) + struct.pack(">H", len(content) + 2) + content


def jpeg_in_scans(width, height, colours):
    """A JPEG, grey all over, with a scan for each colour, in which a block takes 2 bits."""
    blocks = -(-width // 8) * -(-height // 8)
    parts = bytes([part for colour in range(colours) for part in (colour + 1, 0x11, 0)])
    one_code = bytes([1]) + bytes(16)  # of one bit, for 0
    file = b"\xff\xd8" + segment(0xDB, bytes(1) + bytes([1]) * 64)
    file += segment(0xC0, struct.pack(">BHHB", 8, height, width, colours) + parts)
    file += segment(0xC4, b"\x00" + one_code + b"\x10" + one_code)
    for colour in range(colours):
        file += segment(0xDA, bytes([1, colour + 1, 0, 0, 63, 0])) + bytes(-(-2 * blocks // 8))
    return file + b"\xff\xd9"


def tiff_in_a_tile(width, height, side):
    """16 x 16 pixels, or so, in one grey tile that is much larger."""
    strip = zlib.compress(bytes(side * side))
    tags = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    tags += [(324, 134), (325, len(strip))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0\x0a\0" + entries + bytes(4) + strip


FILM = {"save_all": True, "append_images": [PICTURE.rotate(180)]}
BOMB = {  # what, bytes per pixel, file
    "16-bit grey": (8, lambda: empty_png(*SIZE, 16, 0)),
    "palette with transparency": (8, lambda: empty_png(*SIZE, 8, 3, PALETTE)),
    "RGBA": (8, lambda: empty_png(*SIZE, 8, 6)),
    "LA": (8, lambda: empty_png(*SIZE, 8, 4)),
    "16-bit RGB": (8, lambda: empty_png(*SIZE, 16, 2)),
    "text": (8, lambda: empty_png(*SIZE, 8, 2, text_bombs())),
    "turned": (8, lambda: file_of(PICTURE, "JPEG", exif=TURNED)),
    "turned RGBA": (8, lambda: empty_png(*SIZE, 8, 6, chunk(b"eXIf", TURNED.tobytes()[6:]))),
    "CMYK": (8, lambda: file_of(PICTURE.convert("CMYK"), "JPEG")),
    "without its end": (8, lambda: jpeg_in_scans(*SIZE, 1)[:-2]),
    "RGB without its end": (8, lambda: file_of(Image.new("RGB", SIZE), "JPEG")[:-2]),
    "a scan for each colour": (16, lambda: jpeg_in_scans(*SIZE, 3)),
    "four scans": (16, lambda: jpeg_in_scans(*SIZE, 4)),
    "TIFF in a large tile": (16, lambda: tiff_in_a_tile(16, 16, 20_000)),
    "progressive": (16, lambda: file_of(PICTURE, "JPEG", progressive=True, subsampling=0)),
    "progressive CMYK": (16, lambda: file_of(PICTURE.convert("CMYK"), "JPEG", progressive=True)),
    "GIF film": (8, lambda: file_of(PICTURE.quantize(64), "GIF", **FILM)),
    "WebP film": (16, lambda: file_of(PICTURE, "WEBP", method=0, quality=10, **FILM)),
    "WebP with many chunks": (16, lambda: b"RIFF\0\0\0\x40WEBPVP8X\x0a\0\0\0" + bytes(1 << 27)),
    "TIFF film": (16, lambda: file_of(PICTURE, "TIFF", compression="tiff_lzw", **FILM)),
    "16-bit TIFF": (16, sixteen_bit_tiff),
    "AVIF": (16, lambda: file_of(PICTURE, "AVIF", speed=10)),
}
MEASURE = """if True:
    import sys
    from resnet50 import PictureError
    from resnet50.image import load_picture
    def peak(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
    before = peak()
    try: load_picture(sys.argv[1])
    except PictureError: pass
    print(peak() - before)"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much memory a process has held")
@pytest.mark.parametrize("name", BOMB)
def test_reading_takes_at_most_the_stated_memory(tmp_path, name):
    if name == "AVIF" and "AVIF" not in FORMATS:
        pytest.skip("this Pillow has no AVIF")
    bound, make = BOMB[name]
    (tmp_path / "file").write_bytes(make())
    size = (tmp_path / "file").stat().st_size
    command = [sys.executable, "-c", MEASURE, tmp_path / "file"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert int(done.stdout) < bound * SIZE[0] * SIZE[1] + 3 * size + 24e6  # 24 MB: a tile at work, libraries' code


def test_what_a_decoder_holds_several_times_may_have_half_as_many_pixels(tmp_path):
    """No limit of Pillow's own, of which the lower one is 89 million, is met, and no warning given."""
    assert LARGEST_PICTURE > 200e6  # a telephone's largest
    wide = LARGEST_PICTURE // 2 // 60_000 + 1
    for ending, settings in (("png", {}), ("tiff", {"compression": "tiff_adobe_deflate"})):
        path = saved(tmp_path / f"a.{ending}", Image.new("1", (wide, 60_000)), **settings)
        if ending == "png":
            assert load_picture(path).size == (wide, 60_000)
        else:
            with pytest.raises(PictureError, match=rf"a\.tiff.*more than {LARGEST_PICTURE // 2:,}"):
                load_picture(path)


def test_a_jpeg_in_several_scans_may_have_half_as_many_pixels(tmp_path):
    """libjpeg keeps its coefficients, as a progressive one's."""
    side = 11_592  # 8 x 1449, squared just above 2^27
    (tmp_path / "a.jpg").write_bytes(jpeg_in_scans(side, side, 3))
    with pytest.raises(PictureError, match=rf"a\.jpg.*more than {LARGEST_PICTURE // 2:,}"):
        load_picture(tmp_path / "a.jpg")


def test_a_tile_may_be_larger_than_the_picture_by_little(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff_in_a_tile(16, 16, 512))
    assert load_picture(tmp_path / "a.tif").size == (16, 16)
    (tmp_path / "a.tif").write_bytes(tiff_in_a_tile(16, 16, 1040))
    with pytest.raises(PictureError, match=r"a\.tif: has 16 x 16 pixels, in tiles of 1,081,600"):
        load_picture(tmp_path / "a.tif")
