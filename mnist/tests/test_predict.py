"""Pictures of digits as people make them: drawn, printed, photographed, cut, turned, damaged."""

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageOps

from mnist import prepare as prepare_module
from mnist.data import embedded
from mnist.doubt import Limits
from mnist.errors import PictureError
from mnist.layers import Array
from mnist.light import largest_around, without_shadows
from mnist.network import Network
from mnist.pieces import pieces
from mnist.predict import as_text, predict
from mnist.prepare import prepare, read_picture, thickened
from mnist.tests.cells import BESIDE, STYLES
from mnist.tests.conftest import ROOT
from mnist.tests.drawing import hand_drawn
from mnist.tests.measure import ODD, Reader, digits_alone, readings, two_digits
from mnist.weights import SHIPPED, load_parameters

NO_DOUBT = Limits(faint=-np.inf, turned=np.inf)


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(load_parameters(SHIPPED)[0])


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A 7 in black on white, 200 x 160."""
    picture = np.full((200, 160), 255, np.uint8)
    picture[40:52, 40:110] = 0
    for row in range(52, 160):
        column = 98 - (row - 52) // 3
        picture[row, column : column + 12] = 0
    file = tmp_path / "seven.png"
    Image.fromarray(picture).save(file)
    return file


def named(network: Network, file: Path) -> int:
    return int(predict(network, NO_DOUBT, file).probabilities.argmax())


def test_hand_drawn_digits_are_named_correctly(network: Network, tmp_path: Path) -> None:
    """At least 90 % is promised of each kind; 100 % by brush and 98 % in fonts were correct when this was written."""
    drawings = hand_drawn(200, seed=0)
    right: dict[str, list[bool]] = {"brush": [], "font": []}
    for drawing in drawings:
        drawing.picture.save(tmp_path / "drawing.png")
        answer = named(network, tmp_path / "drawing.png")
        right["brush" if drawing.kind == "brush" else "font"].append(answer == drawing.label)
    assert np.mean(right["brush"]) >= 0.9
    assert np.mean(right["font"]) >= 0.9


@pytest.fixture(scope="module")
def measured(reader: Reader) -> dict[tuple[str, str], tuple[Array, Array]]:
    """For 12 cells of each kind and style: which are named correctly, and which of the answers are doubted."""
    return {(beside, style): readings(reader, style, beside, 12) for beside in BESIDE for style in STYLES}


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize("style", STYLES)
def test_digits_of_every_style_are_read_whatever_lies_beside_them(
    measured: dict[tuple[str, str], tuple[Array, Array]], style: str
) -> None:
    """95 % is promised. The cells are drawn from a seed, so the same ones are read each time."""
    assert np.mean([measured[beside, style][0] for beside in BESIDE]) >= 0.95


@pytest.mark.parametrize("beside", BESIDE)
def test_lines_frames_and_shadows_do_not_hide_a_digit(
    measured: dict[tuple[str, str], tuple[Array, Array]], beside: str
) -> None:
    """90 % is promised for digits in a table's box, and required whatever else lies beside them."""
    assert np.mean([measured[beside, style][0] for style in STYLES]) >= 0.9


def test_at_most_three_percent_of_the_correct_answers_are_doubted(
    measured: dict[tuple[str, str], tuple[Array, Array]], reader: Reader
) -> None:
    right, doubted = (np.concatenate(column) for column in zip(*measured.values()))
    assert doubted[right].mean() <= 0.03
    test = embedded().test
    alone = zip(digits_alone(250), test.labels)
    doubts = [bool(doubt) for (answer, doubt), label in ((reader.read(grey), label) for grey, label in alone)
              if answer == label]  # fmt: skip
    assert np.mean(doubts) <= 0.03


@pytest.mark.parametrize(("kind", "least"), [("two digits", 0.95), ("two digits that touch", 0.5),
                                             ("a digit on its side", 0.8), ("a letter", 0.5),
                                             ("a photo of something else", 0.5)])  # fmt: skip
def test_what_is_not_one_upright_digit_is_doubted(reader: Reader, kind: str, least: float) -> None:
    assert np.mean([bool(reader.read(grey)[1]) for grey in ODD[kind](40)]) >= least


def test_a_page_of_100_digits_is_doubted_for_their_number(reader: Reader) -> None:
    images = embedded().test.images[:100].reshape(10, 10, 28, 28)
    page = 255 - images.transpose(0, 2, 1, 3).reshape(280, 280)
    assert reader.read(page)[1].startswith("100 digits?")


def test_if_the_border_is_a_frame_the_paper_is_the_other_colour() -> None:
    """Four pixels of dark frame around a digit in the same ink: all of the border is ink, most of the picture paper."""
    grey = np.asarray(next(digits_alone(1)))
    framed = np.pad(grey, 4)
    assert np.abs(prepare(framed).astype(int) - prepare(grey)).mean() < 8


def test_the_largest_level_around_each_pixel_is_that_of_its_window() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (17, 23), dtype=np.uint8)
    for size in (1, 3, 7, 13):
        windows = sliding_window_view(np.pad(grey, size // 2, mode="edge"), (size, size))
        assert np.array_equal(largest_around(grey, size), windows.max(axis=(2, 3)))


def test_the_paper_comes_out_even_however_sharp_a_shadow_is() -> None:
    grey = np.full((100, 100), 220, np.uint8)
    grey[:, 40:] = 110
    grey[30:70, 35:39] -= 60  # one stroke in the light, and one in the shadow
    grey[30:70, 60:64] -= 60
    even = without_shadows(grey)
    assert set(np.unique(even)) == {68, 128}
    assert np.array_equal(255 - even + 1, without_shadows(255 - grey))


def test_preparation_keeps_mnists_own_digits_readable(network: Network) -> None:
    """All but 2 % of MNIST's own digits, enlarged tenfold and off centre, are named like the originals."""
    digits = embedded().test[:300]
    prepared = []
    for image in digits.images:
        large = np.asarray(Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC))
        prepared.append(prepare(255 - np.pad(large, ((10, 150), (90, 30)))))
    answers = network.forward(np.array(prepared)).argmax(axis=0)
    assert (answers == network.forward(digits.images).argmax(axis=0)).mean() >= 0.98


def test_digit_fills_20_pixels_around_its_centre_of_mass(seven: Path) -> None:
    seen = prepare(read_picture(seven))
    rows, columns = np.nonzero(seen)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    centre = [np.average(indices, weights=seen) for indices in np.indices(seen.shape)]
    assert np.abs(np.array(centre) - 13.5).max() <= 0.5  # moved by whole pixels


def test_light_on_dark_gives_the_same_as_dark_on_light(seven: Path) -> None:
    grey = read_picture(seven)
    # The blur of the inverse is the inverse of the blur, except for one rounding. That may move an edge by a fine
    # pixel, an eighth of a coarse one: an eighth of its 255 levels.
    assert np.abs(prepare(grey).astype(int) - prepare(255 - grey)).max() <= 32


def saved(picture: Image.Image, file: Path, **settings: Any) -> Path:
    picture.save(file, **settings)
    return file


KINDS: dict[str, Callable[[Image.Image, Path], Path]] = {
    "palette": lambda p, f: saved(p.convert("P"), f / "p.png"),
    "one bit": lambda p, f: saved(p.convert("1"), f / "p.png"),
    "colour": lambda p, f: saved(ImageOps.colorize(p, "red", "green"), f / "p.png"),
    "cmyk": lambda p, f: saved(p.convert("CMYK"), f / "p.jpg"),
    "16 bit": lambda p, f: saved(Image.fromarray(np.asarray(p).astype(np.uint16) * 4), f / "p.png"),
    "float": lambda p, f: saved(Image.fromarray(np.asarray(p) / np.float32(255)), f / "p.tiff"),
    "black on transparent": lambda p, f: saved(transparent(p, "black"), f / "p.png"),
    "white on transparent": lambda p, f: saved(transparent(p, "white"), f / "p.png"),
    "animated": lambda p, f: saved(p, f / "p.gif", save_all=True, append_images=[p.rotate(180)]),
    "exif": lambda p, f: saved(p.rotate(90, expand=True), f / "p.jpg", exif=turned_right()),
    "huge": lambda p, f: saved(p.resize((4000, 5000)), f / "p.jpg"),
    "tiny": lambda p, f: saved(p.resize((24, 30)), f / "p.png"),
    "in a corner": lambda p, f: saved(ImageOps.expand(p, (0, 0, 900, 700), "white"), f / "p.png"),
    "tightly cut": lambda p, f: saved(ImageOps.invert(ImageOps.invert(p).crop((40, 40, 110, 160))), f / "p.png"),
    "faint": lambda p, f: saved(p.point(lambda v: 200 + v // 8), f / "p.png"),
    "lit from one side": lambda p, f: saved(lit(ImageOps.expand(p, 150, "white")), f / "p.png"),
}


def transparent(picture: Image.Image, colour: str) -> Image.Image:
    result = Image.new("RGBA", picture.size, colour)
    result.putalpha(ImageOps.invert(picture))
    return result


def turned_right() -> Image.Exif:
    """EXIF data that say that the picture must be turned by 90 degrees to the right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def lit(picture: Image.Image) -> Image.Image:
    """Grey ink on paper that is darker on the right, in the shadow, than the ink is on the left."""
    return Image.fromarray(((120 + np.asarray(picture) * 0.5) * np.linspace(1, 0.4, picture.width)).astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_every_kind_are_read(network: Network, seven: Path, tmp_path: Path, kind: str) -> None:
    with Image.open(seven) as picture:
        assert named(network, KINDS[kind](picture, tmp_path)) == 7


def test_specks_are_ignored_and_loose_strokes_are_kept(network: Network, seven: Path, tmp_path: Path) -> None:
    picture = np.array(Image.open(seven))
    picture[150:156, 10:16] = 0
    picture[5:9, 150:154] = 0
    file = saved(Image.fromarray(picture), tmp_path / "specks.png")
    assert np.array_equal(prepare(read_picture(file)), prepare(read_picture(seven)))
    picture = np.array(Image.open(seven))
    picture[52:58] = 255  # the bar of the 7 is now loose
    seen = prepare(read_picture(saved(Image.fromarray(picture), tmp_path / "loose.png")))
    assert (seen[:, 14:].sum(axis=1) > 0).sum() >= 10
    assert np.nonzero(seen)[0].min() == np.nonzero(prepare(read_picture(seven)))[0].min()


def test_pieces_are_those_that_a_flood_fill_finds() -> None:
    rng = np.random.default_rng(0)
    for density in (0.1, 0.4, 0.5, 0.7):
        mask = rng.random((30, 40)) < density
        labels = pieces(mask)
        assert ((labels > 0) == mask).all()
        seen = np.zeros_like(mask)
        found = 0
        for start in zip(*np.nonzero(mask)):
            if not seen[start]:
                found += 1
                assert {labels[pixel] for pixel in flood(mask, start, seen)} == {labels[start]}
        assert len(np.unique(labels[mask])) == found


def flood(mask: Array, start: tuple[int, int], seen: Array) -> list[tuple[int, int]]:
    """The pixels that 8-neighbour steps reach from `start`."""
    seen[start] = True
    reached = [start]
    for row, column in reached:
        for r in range(max(row - 1, 0), min(row + 2, mask.shape[0])):
            for c in range(max(column - 1, 0), min(column + 2, mask.shape[1])):
                if mask[r, c] and not seen[r, c]:
                    seen[r, c] = True
                    reached.append((r, c))
    return reached


def test_thin_strokes_are_thickened_and_wide_ones_left_alone() -> None:
    thin, wide = np.zeros((160, 60), bool), np.zeros((160, 60), bool)
    thin[:, 30:32] = True
    wide[:, 20:44] = True
    assert 10 <= thickened(thin).any(axis=0).sum() <= 18
    assert np.array_equal(thickened(wide), wide)


BAD_PICTURES: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "missing": (lambda seven, file: None, "there is no such file"),
    "empty": (lambda seven, file: file.touch(), "not a picture"),
    "text": (lambda seven, file: file.write_text("seven"), "not a picture"),
    "truncated": (lambda seven, file: file.write_bytes(seven.read_bytes()[:300]), "not a picture"),
    "folder": (lambda seven, file: file.mkdir(), "is a folder"),
    "fractional offset": (lambda seven, file: file.write_bytes(fractional_offset()), "not a picture"),
    "one colour": (lambda seven, file: Image.new("RGB", (99, 99), "teal").save(file), "nothing stands out"),
    "one pixel": (lambda seven, file: Image.new("RGB", (1, 1)).save(file), "nothing stands out"),
    "noise": (lambda seven, file: noise().save(file), "nothing stands out"),
    "bomb": (lambda seven, file: Image.new("1", (30000, 30000)).save(file), "30000 x 30000 pixels"),
}


def noise() -> Image.Image:
    """Grey paper with the grain of a scanner, and nothing on it."""
    grain = np.random.default_rng(0).normal(200, 6, (300, 300))
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8))


def fractional_offset() -> bytes:
    """A TIFF whose pixels begin at a fractional offset, for which Pillow raises TypeError."""
    tiff = io.BytesIO()
    Image.new("L", (9, 7)).save(tiff, "tiff")
    offset, long, rational = 273, 4, 5
    return tiff.getvalue().replace(struct.pack("<HHI", offset, long, 1), struct.pack("<HHI", offset, rational, 1))


def test_a_picture_that_does_not_fit_into_memory_is_named(monkeypatch: pytest.MonkeyPatch, seven: Path) -> None:
    def decoded(file: Path, draft: tuple[int, int]) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(prepare_module, "decoded", decoded)
    with pytest.raises(PictureError, match="not enough memory"):
        read_picture(seven)


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_pictures_are_named_with_the_reason(network: Network, seven: Path, tmp_path: Path, name: str) -> None:
    make, message = BAD_PICTURES[name]
    make(seven, tmp_path / "bad.png")
    with pytest.raises(PictureError, match=rf"bad\.png.*{message}"):
        predict(network, NO_DOUBT, tmp_path / "bad.png")


def test_reading_a_damaged_picture_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
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


@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory is read from /proc")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "F", "L"])
def test_reading_a_large_picture_takes_at_most_sixteen_bytes_per_pixel(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "large.tiff"
    Image.effect_noise((4000, 2500), 50).convert(mode).save(file)
    code = """if True:
        import sys, pathlib
        from mnist.prepare import read_picture
        def peak(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
        before = peak()
        read_picture(pathlib.Path(sys.argv[1]))
        print(peak() - before)"""
    command = [sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16 * 4000 * 2500 + 24e6  # only a decoder reads anything whole


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for gs")
def test_no_other_program_is_started(
    mnist: Callable[..., subprocess.CompletedProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow would pass PostScript, whatever the file's name, to Ghostscript."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho ran >> '{tmp_path}/marker'\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "digit.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n")
    done = mnist("predict", tmp_path / "digit.jpg", "--out", tmp_path)
    assert done.returncode == 2 and "digit.jpg: is PostScript, not a picture in a format" in done.stderr
    assert not (tmp_path / "marker").exists()


def test_text_shows_28_lines_of_56_characters(seven: Path) -> None:
    lines = as_text(prepare(read_picture(seven))).split("\n")
    assert [len(line) for line in lines] == [56] * 28
    assert "@@" in lines[8]
    assert lines[0].isspace()


def test_predict_names_shows_and_draws_each_picture(
    mnist: Callable[..., subprocess.CompletedProcess], seven: Path, tmp_path: Path
) -> None:
    done = mnist("predict", seven, seven, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("seven.png: 7 (") == 2
    assert "@@" in done.stdout
    for name in ("01_seven.png", "02_seven.png"):
        with Image.open(tmp_path / "predict" / name) as picture:
            assert picture.width > 1000


def test_predict_says_that_it_doubts_and_exits_with_0(
    mnist: Callable[..., subprocess.CompletedProcess], tmp_path: Path
) -> None:
    Image.fromarray(next(two_digits(1))).save(tmp_path / "two.png")
    done = mnist("predict", tmp_path / "two.png", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "; in doubt: 2 digits? only one at a time can be read\n" in done.stdout
    assert "in doubt" in " ".join(mnist("predict", "--help").stdout.split())


def test_predict_continues_after_a_bad_picture(
    mnist: Callable[..., subprocess.CompletedProcess], seven: Path, tmp_path: Path
) -> None:
    done = mnist("predict", tmp_path / "nothing.png", seven, "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'nothing.png'}: there is no such file\n"
    assert "seven.png: 7 (" in done.stdout
