"""A picture gives the same numbers in every file format, and a file that is not a picture is refused."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import PREPROCESS
from PIL import Image
from resnet50 import PictureError, WeightsError
from resnet50.decode import LARGEST_PICTURE
from resnet50.image import Preprocessing, load_picture

COLOURS = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)
GREY = np.random.RandomState(1).randint(0, 256, (5, 7)).astype(np.uint8)
ALPHA = np.random.RandomState(2).randint(0, 256, (5, 7, 1)).astype(np.uint8)


def loaded(path):
    picture = load_picture(path)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def over_white(colours, alpha):
    """Alpha composition over white, in exact numbers; Pillow's rounding is off by at most one."""
    return 255 + (colours.astype(float) - 255) * (alpha / 255)


def grey_as_rgb(grey):
    return np.repeat(grey[:, :, None], 3, axis=2)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm"])
def test_rgb_in_any_format(tmp_path, suffix):
    Image.fromarray(COLOURS).save(tmp_path / f"picture.{suffix}")
    np.testing.assert_array_equal(loaded(tmp_path / f"picture.{suffix}"), COLOURS)


def test_a_picture_in_memory(tmp_path):
    np.testing.assert_array_equal(loaded(Image.fromarray(COLOURS)), COLOURS)


def test_grey_and_black_and_white(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(loaded(tmp_path / "grey.png"), grey_as_rgb(GREY))
    Image.fromarray(GREY > 127).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(loaded(tmp_path / "bits.png"), grey_as_rgb((GREY > 127) * np.uint8(255)))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 128, 129, 257, 1000, 32768, 65406, 65535]], np.uint16)
    for suffix in ("png", "tiff", "pgm"):
        Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
        expected = np.rint(values / 257).astype(np.uint8)
        np.testing.assert_array_equal(loaded(tmp_path / f"deep.{suffix}"), grey_as_rgb(expected))


def test_sixteen_bit_grey_with_a_transparent_value(tmp_path):
    Image.fromarray(np.array([[0, 1000, 65535]], np.uint16)).save(tmp_path / "deep.png", transparency=1000)
    np.testing.assert_array_equal(loaded(tmp_path / "deep.png")[0, :, 0], [0, 255, 255])


def test_palette(tmp_path):
    picture = Image.fromarray(COLOURS).quantize(8)
    picture.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(loaded(tmp_path / "palette.png"), np.asarray(picture.convert("RGB")))


def test_alpha_is_laid_over_white(tmp_path):
    Image.fromarray(np.concatenate([COLOURS, ALPHA], axis=2)).save(tmp_path / "alpha.png")
    assert np.abs(loaded(tmp_path / "alpha.png") - over_white(COLOURS, ALPHA)).max() <= 1
    Image.fromarray(np.concatenate([GREY[:, :, None], ALPHA], axis=2)).save(tmp_path / "grey_alpha.png")
    assert np.abs(loaded(tmp_path / "grey_alpha.png") - over_white(GREY[:, :, None], ALPHA)).max() <= 1


def test_a_transparent_colour_becomes_white(tmp_path):
    picture = Image.fromarray(COLOURS).quantize(8)
    picture.save(tmp_path / "palette.png", transparency=3)
    expected = np.asarray(picture.convert("RGB")).copy()
    expected[np.asarray(picture) == 3] = 255
    np.testing.assert_array_equal(loaded(tmp_path / "palette.png"), expected)
    Image.fromarray(COLOURS).save(tmp_path / "key.png", transparency=tuple(int(v) for v in COLOURS[2, 3]))
    assert (loaded(tmp_path / "key.png")[2, 3] == 255).all()


def test_cmyk_is_converted(tmp_path):
    Image.new("CMYK", (5, 5), (0, 255, 255, 0)).save(tmp_path / "ink.tiff")
    np.testing.assert_array_equal(loaded(tmp_path / "ink.tiff"), np.full((5, 5, 3), [255, 0, 0]))


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda stored: stored),
        (2, lambda stored: stored[:, ::-1]),
        (3, lambda stored: stored[::-1, ::-1]),
        (4, lambda stored: stored[::-1]),
        (5, lambda stored: stored.transpose(1, 0, 2)),
        (6, lambda stored: np.rot90(stored, -1)),
        (7, lambda stored: np.rot90(stored, 2).transpose(1, 0, 2)),
        (8, lambda stored: np.rot90(stored)),
    ],
)
def test_a_picture_is_turned_as_its_exif_says(tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOURS).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(loaded(tmp_path / "turned.png"), turn(COLOURS))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_the_first_frame_of_an_animation(tmp_path, suffix):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "lime", "blue")]
    settings = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"film.{suffix}", save_all=True, append_images=frames[1:], **settings)
    np.testing.assert_array_equal(loaded(tmp_path / f"film.{suffix}"), np.full((6, 6, 3), [255, 0, 0]))


def test_pixels_of_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(PictureError, match="floating-point"):
        load_picture(tmp_path / "float.tiff")
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "int.tiff")
    with pytest.raises(PictureError, match="32-bit integers"):
        load_picture(tmp_path / "int.tiff")


def png_that_claims(width, height):
    """A PNG file of a few bytes whose header claims this size."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("height", [LARGEST_PICTURE // 10_000 + 1, 30_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_unopened(tmp_path, height):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(10_000, height))
    with pytest.raises(PictureError, match=r"bomb\.png.*pixels"):
        load_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.jpg", b"this is no picture"),
        ("zeros.gif", bytes(1000)),
        ("short.png", b"\x89PNG\r\n\x1a\n"),
        ("size0.png", png_that_claims(0, 5)),
        ("nodata.png", png_that_claims(5, 5)),
    ],
)
def test_a_file_that_is_not_a_picture_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PictureError, match=name):
        load_picture(tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "gif", "webp"])
def test_a_truncated_picture(tmp_path, suffix):
    path = tmp_path / f"half.{suffix}"
    Image.fromarray(np.random.RandomState(3).randint(0, 256, (64, 64, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match=rf"half\.{suffix}"):
        load_picture(path)


def test_a_picture_in_memory_that_cannot_be_used(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:80])
    with Image.open(tmp_path / "half.png") as half, pytest.raises(PictureError, match="truncated"):
        load_picture(half)
    with pytest.raises(PictureError, match="no pixel"):
        load_picture(Image.new("RGB", (0, 5)))
    with pytest.raises(PictureError, match="the ndarray"):
        load_picture(COLOURS)


def test_a_path_that_is_not_a_file_is_refused(tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        load_picture(tmp_path / "none.png")
    with pytest.raises(PictureError, match="no such file"):
        load_picture("a name with a \0 in it")
    with pytest.raises(PictureError, match="not a file"):
        load_picture(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="not a file"):
        load_picture(tmp_path / "pipe.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_appears_after_the_check_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    with pytest.raises(PictureError, match=r"pipe\.png: is not a file"):
        load_picture(tmp_path / "pipe.png")


def preprocessing(tmp_path, steps):
    """The preprocessing that a weight folder specifies by these steps."""
    (tmp_path / "preprocess.json").write_text(json.dumps(PREPROCESS | {"steps": steps}))
    return Preprocessing(tmp_path / "preprocess.json")


def preprocessed(tmp_path, steps, colours):
    """The image that preprocessing with `steps` makes of a picture, and the same scaled back to 0..255."""
    image = preprocessing(tmp_path, steps)(Image.fromarray(colours))
    assert image.dtype == np.float32
    return image, np.rint((image * PREPROCESS["std"] + PREPROCESS["mean"]) * 255)


RANDOM = np.random.RandomState(4).randint(0, 256, (49, 70, 3)).astype(np.uint8)


def test_numbers_are_normalised_in_float32(tmp_path):
    image, _ = preprocessed(tmp_path, [], RANDOM)
    mean, std = (np.array(PREPROCESS[name], np.float32) for name in ("mean", "std"))
    np.testing.assert_array_equal(image, (RANDOM.astype(np.float32) / np.float32(255) - mean) / std)


def test_center_square_and_center_crop(tmp_path):
    _, square = preprocessed(tmp_path, [["center_square"]], RANDOM)
    np.testing.assert_array_equal(square, RANDOM[:, 10:59])  # 10.5 is rounded to the even 10
    _, crop = preprocessed(tmp_path, [["center_crop", 32]], RANDOM)
    np.testing.assert_array_equal(crop, RANDOM[8:40, 19:51])  # 8.5 is rounded to the even 8


def test_resize_and_resize_shorter(tmp_path):
    bilinear = Image.Resampling.BILINEAR
    _, stretched = preprocessed(tmp_path, [["resize", 40]], RANDOM)
    np.testing.assert_array_equal(stretched, np.asarray(Image.fromarray(RANDOM).resize((40, 40), bilinear)))
    _, wide = preprocessed(tmp_path, [["resize_shorter", 40]], RANDOM)
    np.testing.assert_array_equal(wide, np.asarray(Image.fromarray(RANDOM).resize((57, 40), bilinear)))
    tall = RANDOM.transpose(1, 0, 2).copy()
    _, tall_resized = preprocessed(tmp_path, [["resize_shorter", 40]], tall)
    np.testing.assert_array_equal(tall_resized, np.asarray(Image.fromarray(tall).resize((40, 57), bilinear)))


def test_steps_are_done_in_order(tmp_path):
    _, image = preprocessed(tmp_path, [["resize", 64], ["center_crop", 32]], RANDOM)
    resized = np.asarray(Image.fromarray(RANDOM).resize((64, 64), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(image, resized[16:48, 16:48])


def test_preprocessing_has_at_most_16_steps(tmp_path):
    with pytest.raises(WeightsError, match=r"preprocess\.json: steps must have at most 16 entries"):
        preprocessing(tmp_path, [["resize", 4096]] * 17)


@pytest.mark.parametrize("steps", [[["center_crop", 50]], [["resize_shorter", 4096]]])
def test_a_picture_that_the_steps_cannot_process_is_refused(tmp_path, steps):
    thin = tmp_path / "thin.png"
    Image.new("RGB", (20_000, 2)).save(thin)
    with pytest.raises(PictureError, match=r"thin\.png"):
        preprocessing(tmp_path, steps)(thin)
