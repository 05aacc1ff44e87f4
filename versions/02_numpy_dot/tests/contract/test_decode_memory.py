"""Reading a picture takes at most the stated memory, and a picture that would take more is refused."""

import io
import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image
from resnet50 import PictureError
from resnet50.decode import FORMATS, LARGEST_PICTURE
from resnet50.image import load_picture
from test_decode import PNG, TURNED, chunk, saved


def empty_png(width, height, depth, colours, extra=b""):
    """A PNG file of black pixels, compressed to a thousandth of their size."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    packer = zlib.compressobj()
    rows = [packer.compress(bytes(1 + (width * channels * depth + 7) // 8)) for _ in range(height)]
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", b"".join(rows) + packer.flush()) + chunk(b"IEND", b"")


PALETTE = chunk(b"PLTE", bytes(range(256)) * 3) + chunk(b"tRNS", bytes(range(256)))
SIZE = 4000, 2500  # 10 million pixels: their bound is far above the variation from run to run
PICTURE = Image.effect_noise((500, 313), 50).convert("RGB").resize(SIZE)


def file_of(picture, format, **settings):
    file = io.BytesIO()
    picture.save(file, format, **settings)
    return file.getvalue()


def sixteen_bit_tiff():
    """A TIFF of 16-bit RGB in a single compressed strip."""
    width, height = SIZE
    strip = zlib.compress(bytes(6 * width * height))
    tags = [(256, width), (257, height), (258, 138), (259, 8), (262, 2), (273, 144), (277, 3), (278, height)]
    tags += [(279, len(strip)), (284, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, v) for tag, v in tags)
    return b"II*\0\x08\0\0\0\x0a\0" + entries + bytes(4) + bytes(4) + struct.pack("<3H", 16, 16, 16) + strip


def text_bombs():
    """60 chunks that unpack to 1 MB each, of letters that Python stores in 4 bytes each."""
    packed = zlib.compress("\N{GRINNING FACE}".encode() + b"a" * 1_000_000)
    return b"".join(chunk(b"iTXt", b"key%d\0\1\0\0\0" % number + packed) for number in range(60))


def segment(code, content):
    return bytes([0xFF, code]) + struct.pack(">H", len(content) + 2) + content


def jpeg_in_scans(width, height, colours):
    """A uniformly grey JPEG with a scan for each colour, in which a block takes 2 bits."""
    blocks = -(-width // 8) * -(-height // 8)
    parts = bytes([part for colour in range(colours) for part in (colour + 1, 0x11, 0)])
    one_code = bytes([1]) + bytes(16)  # a single code, of one bit, for 0
    file = b"\xff\xd8" + segment(0xDB, bytes(1) + bytes([1]) * 64)
    file += segment(0xC0, struct.pack(">BHHB", 8, height, width, colours) + parts)
    file += segment(0xC4, b"\x00" + one_code + b"\x10" + one_code)
    for colour in range(colours):
        file += segment(0xDA, bytes([1, colour + 1, 0, 0, 63, 0])) + bytes(-(-2 * blocks // 8))
    return file + b"\xff\xd9"


def tiff_in_a_tile(width, height, side, big=False):
    """A TIFF or a BigTIFF of `width` x `height` pixels in one grey tile, which may be much larger."""
    strip = zlib.compress(bytes(side * side))
    tags = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    tags += [(324, 232 if big else 134), (325, len(strip))]
    entries = b"".join(struct.pack("<HHQQ" if big else "<HHII", tag, 4, 1, value) for tag, value in tags)
    if big:
        return b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, len(tags)) + entries + bytes(8) + strip
    return b"II*\0\x08\0\0\0\x0a\0" + entries + bytes(4) + strip


FILM = {"save_all": True, "append_images": [PICTURE.rotate(180)]}
BOMB = {  # name -> (allowed bytes per pixel, function that makes the file)
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


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc for the peak memory of a process")
@pytest.mark.parametrize("name", BOMB)
def test_reading_takes_at_most_the_stated_memory(tmp_path, name):
    if name == "AVIF" and "AVIF" not in FORMATS:
        pytest.skip("this Pillow has no AVIF")
    bound, make = BOMB[name]
    (tmp_path / "file").write_bytes(make())
    size = (tmp_path / "file").stat().st_size
    command = [sys.executable, "-c", MEASURE, tmp_path / "file"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert int(done.stdout) < bound * SIZE[0] * SIZE[1] + 3 * size + 24e6  # 24 MB: one tile, and the libraries' code


def test_a_format_that_needs_more_memory_may_have_half_as_many_pixels(tmp_path):
    """Pillow's own limits, the lower of which is 89 million, are not met, and it gives no warning."""
    assert LARGEST_PICTURE > 200e6  # the largest that phones take
    wide = LARGEST_PICTURE // 2 // 60_000 + 1
    for ending, settings in (("png", {}), ("tiff", {"compression": "tiff_adobe_deflate"})):
        path = saved(tmp_path / f"a.{ending}", Image.new("1", (wide, 60_000)), **settings)
        if ending == "png":
            assert load_picture(path).size == (wide, 60_000)
        else:
            with pytest.raises(PictureError, match=rf"a\.tiff.*more than {LARGEST_PICTURE // 2:,}"):
                load_picture(path)


def test_a_jpeg_in_several_scans_may_have_half_as_many_pixels(tmp_path):
    """libjpeg keeps all its coefficients in memory, as it does for a progressive JPEG."""
    side = 11_592  # 8 x 1449, squared just above 2^27
    (tmp_path / "a.jpg").write_bytes(jpeg_in_scans(side, side, 3))
    with pytest.raises(PictureError, match=rf"a\.jpg.*more than {LARGEST_PICTURE // 2:,}"):
        load_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("big", [False, True])
def test_a_tile_may_be_only_a_little_larger_than_the_picture(tmp_path, big):
    (tmp_path / "a.tif").write_bytes(tiff_in_a_tile(16, 16, 512, big))
    assert load_picture(tmp_path / "a.tif").size == (16, 16)
    (tmp_path / "a.tif").write_bytes(tiff_in_a_tile(16, 16, 1040, big))
    with pytest.raises(PictureError, match=r"a\.tif: has 16 x 16 pixels, in tiles of 1,081,600"):
        load_picture(tmp_path / "a.tif")
