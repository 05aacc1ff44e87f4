"""A picture in any of the listed formats is read correctly; what can't be read is rejected with a one-line error."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cv_basics import files
from cv_basics.errors import PictureError
from cv_basics.files import read_picture, write_picture

LEVELS = np.array([[0, 64, 128], [129, 200, 255]], np.uint8)
COLOURS = np.dstack([LEVELS, LEVELS[::-1], LEVELS[:, ::-1]])


def saved(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("pixels", [LEVELS, COLOURS], ids=["grey", "colour"])
def test_a_picture_written_is_read_unchanged(tmp_path, pixels):
    write_picture(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (4000, 3000)])
def test_every_size_is_read(tmp_path, size):
    path = saved(tmp_path / "a.png", Image.new("RGB", size, (1, 2, 3)))
    assert read_picture(path).shape == (size[1], size[0], 3)


def test_one_bit_pixels_become_0_and_255(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(LEVELS > 128))
    np.testing.assert_array_equal(read_picture(path), (LEVELS > 128) * np.uint8(255))


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.fromarray(COLOURS).quantize(8)
    path = saved(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_picture(path), np.array(image.convert("RGB")))


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 128, 255
    path = saved(tmp_path / "a.png", Image.fromarray(rgba))
    assert read_picture(path)[0].tolist() == [[255] * 3, [127] * 3, [0] * 3]


def test_the_transparent_level_of_grey_or_of_a_palette_becomes_white(tmp_path):
    grey = saved(tmp_path / "grey.png", Image.fromarray(LEVELS), transparency=64)
    expected = LEVELS.copy()
    expected[LEVELS == 64] = 255
    np.testing.assert_array_equal(read_picture(grey), expected)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    path = saved(tmp_path / "palette.png", palette, transparency=0)
    assert read_picture(path)[0, 0].tolist() == [255] * 3


def test_16_bit_grey_is_scaled(tmp_path):
    wide = np.array([[0, 128, 129, 257 * 100, 65535]], np.uint16)
    path = saved(tmp_path / "a.png", Image.fromarray(wide))
    assert read_picture(path).tolist() == [[0, 0, 1, 100, 255]]


def test_float_grey_is_rounded_and_clipped(tmp_path):
    path = saved(tmp_path / "a.tiff", Image.fromarray(np.array([[-3.0, 0.4, 99.6, 300.0]], np.float32)))
    assert read_picture(path).tolist() == [[0, 0, 100, 255]]


def test_cmyk_orientation_and_the_first_frame_are_seen(tmp_path):
    cmyk = saved(tmp_path / "a.tiff", Image.new("CMYK", (2, 2), (0, 0, 0, 255)))
    assert not read_picture(cmyk).any()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = saved(tmp_path / "turned.png", Image.fromarray(LEVELS), exif=exif)
    np.testing.assert_array_equal(read_picture(turned), np.rot90(LEVELS, -1))
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    animated = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert read_picture(animated)[0, 0].tolist() == [255, 0, 0]


def truncated(path):
    data = saved(path, Image.effect_noise((64, 64), 50)).read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "folder"),
        (lambda path: path.write_bytes(b""), "not a picture"),
        (lambda path: path.write_text("not a picture at all"), "not a picture"),
        (truncated, "can't be read"),
        (lambda path: saved(path, Image.new("1", (20000, 14000))), "more than"),
        (lambda path: saved(path, Image.fromarray(np.array([[np.nan]], np.float32)), format="TIFF"), "not finite"),
    ],
    ids=["missing", "folder", "empty", "text", "truncated", "bomb", "nan"],
)
def test_a_file_that_is_not_a_picture_is_named_with_the_reason(tmp_path, spoil, reason):
    path = tmp_path / "a.png"
    spoil(path)
    with pytest.raises(PictureError, match=reason) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)


def test_reading_a_damaged_picture_prints_nothing(tmp_path, capfd, recwarn):
    """libtiff writes to stderr itself, and Pillow warns: here about damaged data and about damaged EXIF."""
    file = tmp_path / "damaged.tiff"
    Image.new("RGB", (50, 40)).save(file, compression="tiff_adobe_deflate")
    content = file.read_bytes()
    packed = content.index(zlib.compress(bytes(3 * 50 * 40))[:2])
    file.write_bytes(content[: packed + 2] + b"\xff" * 8 + content[packed + 10 :])
    with pytest.raises(PictureError, match=r"damaged\.tiff"):
        read_picture(file)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0"  # a tag that lacks some of its bytes
    Image.new("RGB", (50, 40)).save(tmp_path / "half_exif.jpg", exif=exif)
    read_picture(tmp_path / "half_exif.jpg")
    assert (capfd.readouterr().err, list(recwarn)) == ("", [])


def test_a_picture_that_does_not_fit_into_memory_is_named(tmp_path, monkeypatch):
    def decoded(path):
        raise MemoryError

    monkeypatch.setattr(files, "decoded", decoded)
    with pytest.raises(PictureError, match=r"a\.png: not enough memory"):
        read_picture(saved(tmp_path / "a.png", Image.new("L", (9, 7))))


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n"
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for gs")
@pytest.mark.parametrize("name", ["a.jpg", "a.eps"])
def test_no_other_program_is_started(tmp_path, monkeypatch, name):
    """Pillow would pass PostScript, whatever the file's name, to Ghostscript."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho ran >> '{tmp_path}/marker'\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / name).write_bytes(POSTSCRIPT)
    with pytest.raises(PictureError, match=rf"{name}: is PostScript, not a picture in a supported format"):
        read_picture(tmp_path / name)
    command = [sys.executable, "-m", "cv_basics", "gray", tmp_path / name, "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "is PostScript" in done.stderr
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["decode.py", "containers.py"])
def test_pictures_are_decoded_as_the_versions_decode_them(name):
    """Each folder is independent, so these files are copies."""
    versions = sorted(ROOT.glob(f"versions/*/src/resnet50/{name}"))
    if not versions:
        pytest.skip("there are no versions beside cv_basics")
    assert (ROOT / "cv_basics" / name).read_bytes() == versions[0].read_bytes()


def test_a_jpeg_without_its_end_mark_and_a_png_with_bad_metadata_are_read(tmp_path):
    jpeg = saved(tmp_path / "a.jpg", Image.fromarray(COLOURS))
    expected = read_picture(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:-2])
    np.testing.assert_array_equal(read_picture(jpeg), expected)
    png = saved(tmp_path / "a.png", Image.fromarray(COLOURS))
    damaged = b"\0\0\0\4tEXtbad!" + bytes(4)  # a chunk with a wrong checksum
    png.write_bytes(png.read_bytes()[:33] + damaged + png.read_bytes()[33:])
    np.testing.assert_array_equal(read_picture(png), COLOURS)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory is read from /proc")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA", "F"])
def test_reading_takes_at_most_the_stated_memory(tmp_path, mode):
    width, height = 4000, 2500
    image = Image.new("L" if mode == "P" else mode, (width, height))
    ending, bound = ("tiff", 16) if mode == "F" else ("png", 8)
    path = saved(tmp_path / f"a.{ending}", image.convert("P") if mode == "P" else image)
    code = """if True:
        import sys
        from cv_basics.files import read_picture
        def peak(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
        before = peak()
        read_picture(sys.argv[1])
        print(peak() - before)"""
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < bound * width * height + 3 * path.stat().st_size + 24e6  # the tiles take some of this
