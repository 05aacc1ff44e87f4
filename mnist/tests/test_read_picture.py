"""Pictures in any format are read, and damaged ones are named in one line, quietly and with little memory."""

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
from PIL import Image, ImageOps

from mnist import prepare as prepare_module
from mnist.errors import PictureError
from mnist.network import Network
from mnist.predict import predict
from mnist.prepare import read_picture
from mnist.tests.conftest import NO_DOUBT, ROOT, named


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


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_pictures_are_named_with_the_reason(network: Network, seven: Path, tmp_path: Path, name: str) -> None:
    make, message = BAD_PICTURES[name]
    make(seven, tmp_path / "bad.png")
    with pytest.raises(PictureError, match=rf"bad\.png.*{message}"):
        predict(network, NO_DOUBT, tmp_path / "bad.png")


def test_a_picture_that_does_not_fit_into_memory_is_named(monkeypatch: pytest.MonkeyPatch, seven: Path) -> None:
    def decoded(file: Path, draft: tuple[int, int]) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(prepare_module, "decoded", decoded)
    with pytest.raises(PictureError, match="not enough memory"):
        read_picture(seven)


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
    assert done.returncode == 2 and "digit.jpg: is PostScript, not a picture in a supported format" in done.stderr
    assert not (tmp_path / "marker").exists()
