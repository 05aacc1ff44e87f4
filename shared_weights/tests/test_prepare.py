"""A picture becomes the same array everywhere: with torchvision, the rules in plain code, every version's image.py."""

import hashlib
import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from shared_weights.golden import pictures

from .conftest import ROOT

torch = pytest.importorskip("torch")

from shared_weights import imagenet, torch_reference  # noqa: E402  (the latter imports torch)

STATISTICS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
RULES = {
    "cifar10": {"steps": [["center_square"], ["resize", 32], ["resize", 64]], "filter": "bilinear"} | STATISTICS,
    "imagenet": imagenet.preprocessing(imagenet.V2.shorter, imagenet.V2.side),
    "bicubic": {"steps": [["resize_shorter", 57], ["center_crop", 48]], "filter": "bicubic"} | STATISTICS,
    "lanczos": {"steps": [["resize", 47], ["center_crop", 33]], "filter": "lanczos"} | STATISTICS,
    "hamming": {"steps": [["resize_shorter", 33]], "filter": "hamming"} | STATISTICS,
    "box": {"steps": [["center_square"], ["resize", 40]], "filter": "box"} | STATISTICS,
    "nearest": {"steps": [["resize", 200]], "filter": "nearest", "mean": [0.1, 0.2, 0.3], "std": [1, 1, 0.7]},
}


@pytest.fixture(params=RULES)
def rules_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "preprocess.json").write_text(json.dumps(RULES[request.param]))
    return tmp_path


def plain(picture: Image.Image, rules: dict) -> np.ndarray:
    """The README's rules for an 8-bit RGB picture, word for word."""

    def cut(image: Image.Image, side: int) -> Image.Image:
        left, top = round((image.width - side) / 2), round((image.height - side) / 2)
        return Image.fromarray(np.asarray(image)[top : top + side, left : left + side])

    filter = Image.Resampling[rules["filter"].upper()]
    for name, *size in rules["steps"]:
        short, long = min(picture.size), max(picture.size)
        if name == "center_square":
            picture = cut(picture, short)
        elif name == "center_crop":
            picture = cut(picture, *size)
        elif name == "resize":
            picture = picture.resize((size[0], size[0]), filter)
        else:
            scaled = int(size[0] * long / short)
            picture = picture.resize((size[0], scaled) if picture.width == short else (scaled, size[0]), filter)
    x = np.asarray(picture).astype(np.float32) / np.float32(255)
    return (x - np.array(rules["mean"], np.float32)) / np.array(rules["std"], np.float32)


def image_modules() -> list[types.ModuleType]:
    """Each distinct image.py of the versions, in a package of its own (whose __init__ is not run)."""
    found = {}
    for file in sorted(ROOT.glob("versions/*/src/resnet50/image.py")):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        if content not in found:
            package = types.ModuleType(f"resnet50_{content[:8]}")
            package.__path__ = [str(file.parent)]
            sys.modules[package.__name__] = package
            found[content] = importlib.import_module(f"{package.__name__}.image")
    return list(found.values())


def every_value(tmp_path: Path) -> Path:
    """A picture in which every channel takes every value."""
    ramp = np.arange(256, dtype=np.uint8)
    pixels = np.stack([ramp.repeat(256).reshape(256, 256), np.tile(ramp, (256, 1)), ramp[::-1].repeat(256)
                       .reshape(256, 256)], axis=-1)  # fmt: skip
    Image.fromarray(pixels).save(tmp_path / "every_value.png")
    return tmp_path / "every_value.png"


def test_torchvision_follows_the_rules_to_the_last_bit(rules_folder: Path, pics: Path):
    rules = json.loads((rules_folder / "preprocess.json").read_text())
    for path in (pics / "chelsea.png", pics / "dog.jpg", pics / "horses.jpg", every_value(rules_folder)):
        with Image.open(path) as picture:
            expected = plain(picture, rules)
        np.testing.assert_array_equal(torch_reference.prepare(path, rules_folder), expected, strict=True)


def test_every_versions_image_py_gives_torchvisions_array_for_every_picture(rules_folder: Path, pics: Path):
    modules = image_modules()
    assert modules
    for module in modules:
        preprocess = module.Preprocessing(rules_folder / "preprocess.json")
        for path in [*(pics / name for name in pictures(pics)), every_value(rules_folder)]:
            expected = torch_reference.prepare(path, rules_folder)
            np.testing.assert_array_equal(preprocess(path), expected, err_msg=path.name, strict=True)


def scene(size: tuple[int, int] = (61, 44)) -> Image.Image:
    """A picture without any symmetry, so that a wrong turn or order of channels shows."""
    generator = np.random.RandomState(1)
    image = Image.fromarray(generator.randint(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    ImageDraw.Draw(image).polygon([(3, 4), (50, 9), (12, 40)], fill=(250, 20, 120))
    return image


def alpha(size: tuple[int, int]) -> Image.Image:
    """All degrees of transparency, none and full among them."""
    return Image.fromarray((np.arange(size[0] * size[1]) % 256).astype(np.uint8).reshape(size[1], size[0]))


def wide(size: tuple[int, int] = (61, 44)) -> np.ndarray:
    """16-bit grey: random, with the values at which rounding to 8 bits changes."""
    values = np.random.RandomState(2).randint(0, 65536, (size[1], size[0]), dtype=np.uint16)
    values[0, :7] = 0, 128, 129, 257, 385, 386, 65535
    return values


def made_pictures(folder: Path) -> dict[str, np.ndarray]:
    """Write files of unusual modes; return what they show as 8-bit RGB, where NumPy alone can say it."""
    rgb, grey, mask = scene(), scene().convert("L"), alpha((61, 44))
    palette = rgb.quantize(50)
    rgba = rgb.copy()
    rgba.putalpha(mask)
    la = Image.merge("LA", (grey, mask))
    files: dict[str, tuple[Image.Image, dict]] = {
        "grey.png": (grey, {}),
        "bilevel.png": (rgb.convert("1"), {}),
        "palette.png": (palette, {}),
        "palette_transparent.png": (palette, {"transparency": 7}),
        "palette_alpha.png": (palette, {"transparency": bytes(range(0, 250, 5))}),
        "rgb_transparent.png": (rgb, {"transparency": (250, 20, 120)}),
        "grey_transparent.png": (grey, {"transparency": 100}),
        "alpha.png": (rgba, {}),
        "grey_alpha.png": (la, {}),
        "alpha.webp": (rgba, {"lossless": True, "exact": True}),
        "16_bit.png": (Image.fromarray(wide()), {}),
        "16_bit.tif": (Image.fromarray(wide()), {}),
        "16_bit.pgm": (Image.fromarray(wide()), {}),
        "16_bit_transparent.png": (Image.fromarray(wide()), {"transparency": 386}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "cmyk.tif": (rgb.convert("CMYK"), {}),
        "progressive.jpg": (rgb, {"progressive": True}),
        "animated.gif": (palette, {"save_all": True, "append_images": [palette.rotate(180), palette.rotate(90)]}),
        "animated.png": (rgb, {"save_all": True, "append_images": [rgb.rotate(180)]}),
        "animated.webp": (rgb, {"save_all": True, "append_images": [rgb.rotate(180)], "lossless": True}),
    }
    for name, (image, options) in files.items():
        image.save(folder / name, **options)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        rgb.save(folder / f"turned_{orientation}.png", exif=exif)
        rgb.save(folder / f"turned_{orientation}.jpg", exif=exif)
    return stated(rgb, grey, palette, mask)


def stated(rgb: Image.Image, grey: Image.Image, palette: Image.Image, mask: Image.Image) -> dict[str, np.ndarray]:
    """What some of the pictures of `made_pictures` show, by other means than the code under test."""
    pixels, levels, flat = np.asarray(rgb), np.asarray(grey), np.asarray(palette.convert("RGB"))
    over_white = Image.new("RGBA", rgb.size, "white")
    over_white.alpha_composite(Image.merge("RGBA", (*rgb.split(), mask)))
    scaled = np.floor(wide() / 257 + 0.5).astype(np.uint8)  # 257 * 255 = 65535; no value lies halfway

    def three(channel: np.ndarray) -> np.ndarray:
        return np.repeat(channel[..., None], 3, axis=2)

    turned = [pixels, pixels[:, ::-1], pixels[::-1, ::-1], pixels[::-1], pixels.transpose(1, 0, 2),
              pixels[::-1].transpose(1, 0, 2), pixels[::-1, ::-1].transpose(1, 0, 2),
              pixels[:, ::-1].transpose(1, 0, 2)]  # fmt: skip
    return {
        "grey.png": three(levels),
        "palette.png": flat,
        "palette_transparent.png": np.where(three(np.asarray(palette) == 7), 255, flat),
        "rgb_transparent.png": np.where(three((pixels == (250, 20, 120)).all(axis=2)), 255, pixels),
        "grey_transparent.png": np.where(three(levels == 100), 255, three(levels)),
        "alpha.png": np.asarray(over_white)[..., :3],
        "alpha.webp": np.asarray(over_white)[..., :3],
        "16_bit.png": three(scaled),
        "16_bit.tif": three(scaled),
        "16_bit.pgm": three(scaled),
        "16_bit_transparent.png": np.where(three(wide() == 386), 255, three(scaled)),
        "animated.gif": flat,
        "animated.png": pixels,
        "animated.webp": pixels,
    } | {f"turned_{orientation}.png": turned[orientation - 1] for orientation in range(1, 9)}


def test_unusual_modes_are_read_as_what_they_show(tmp_path: Path):
    for name, expected in made_pictures(tmp_path).items():
        found = np.asarray(torch_reference.load(tmp_path / name))
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_every_versions_image_py_reads_unusual_modes_as_the_reference_does(tmp_path: Path):
    made_pictures(tmp_path)
    (tmp_path / "preprocess.json").write_text(json.dumps(RULES["cifar10"]))
    paths = sorted(path for path in tmp_path.iterdir() if path.suffix != ".json")
    assert len(paths) == 36
    for module in image_modules():
        preprocess = module.Preprocessing(tmp_path / "preprocess.json")
        for path in paths:
            expected = torch_reference.prepare(path, tmp_path)
            np.testing.assert_array_equal(preprocess(path), expected, err_msg=path.name, strict=True)


def test_a_picture_too_small_to_crop_is_rejected_and_not_given_a_border(tmp_path: Path):
    scene((40, 60)).save(tmp_path / "small.png")
    (tmp_path / "preprocess.json").write_text(
        json.dumps({"steps": [["center_crop", 48]], "filter": "box"} | STATISTICS)
    )
    with pytest.raises(ValueError, match="too few"):
        torch_reference.prepare(tmp_path / "small.png", tmp_path)
