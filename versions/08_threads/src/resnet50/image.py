"""From a picture file to the array that the network expects, as the weight set's preprocess.json specifies."""

import json
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from .containers import TURNS, Turn
from .decode import FORMATS, check_size, decoded, in_tiles, over_white, refusal
from .errors import PictureError, WeightsError
from .weight_folder import read_json

FILTERS = {filter.name.lower(): filter for filter in Image.Resampling}
MOST_PREPROCESSING = 1 << 16  # bytes of preprocess.json, which has about 200
MOST_STEPS = 16  # in preprocess.json; each may take a second with the largest sizes
LARGEST_RESULT = 1 << 24  # pixels: the square of the largest size that a step may have


def load_picture(picture: str | PathLike[str] | Image.Image) -> Image.Image:
    """The picture as 8-bit RGB, upright, over white where it is transparent; the first frame of an animation.

    decode.py says how much memory that takes. An `Image` takes 4 bytes per pixel more, or 8 if it must be rotated.
    Raises `PictureError` if the picture is missing, lacks pixels, is too large or has no defined brightness.
    """
    try:
        if picture == "":  # Path("") is the current folder
            raise PictureError("there is no such file")
        opened, turn = loaded(picture) if isinstance(picture, Image.Image) else decoded(Path(picture))
        opened = to_rgb(opened)  # frees the decoded picture before the rotation
        return opened if turn is None else opened.transpose(turn)
    except PictureError as error:
        reason = str(error)
    except MemoryError:
        reason = "not enough memory for this picture"
    except Exception as error:  # with a damaged file Pillow's decoders may raise anything
        reason = f"cannot be read as a picture: {getattr(error, 'strerror', None) or error}"
    raise PictureError(f"{name_of(picture)}: {reason}")


def name_of(picture: object) -> str:
    """What an error message calls the picture: its path, or the type of the object."""
    return str(picture) or "''" if isinstance(picture, str | PathLike) else f"the {type(picture).__name__}"


def loaded(picture: Image.Image) -> tuple[Image.Image, Turn]:
    """A picture that the caller opened, with its pixels loaded, and the turn that makes it upright.

    It may come from a file in any format, and for some formats Pillow starts another program to read the pixels: those
    raise `PictureError`.
    """
    if picture.format not in (None, "MPO", *FORMATS):
        raise PictureError(refusal(picture.format))
    check_size(picture)
    picture.load()
    try:
        return picture, TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # with damaged EXIF Pillow may raise anything
        return picture, None


def to_rgb(picture: Image.Image) -> Image.Image:
    """A picture in any mode as 8-bit RGB over white; raises `PictureError` if its brightness has no defined range."""
    if picture.mode == "F":
        raise PictureError("its pixels are floating-point numbers, whose range is not known")
    if picture.mode.startswith("I"):
        return in_tiles(picture, "RGB", lambda tile: from_16_bits(tile).convert("RGB"))
    if picture.mode != "RGB" or picture.has_transparency_data:
        return in_tiles(picture, "RGB", over_white)
    return picture


def from_16_bits(picture: Image.Image) -> Image.Image:
    """16-bit grey, which Pillow would clip at 255, scaled to 8 bits: round(v / 257)."""
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError("its pixels are 32-bit integers, whose range is not known")
    grey = (values + 128) // 257
    grey[values == picture.info.get("transparency", -1)] = 255
    return Image.fromarray(grey.astype(np.uint8))


class Preprocessing:
    """What preprocess.json specifies: `steps` with Pillow's `filter`, then / 255, - `mean`, / `std`.

    Calling it with a picture gives float32 (height, width, 3). Raises `WeightsError` if the file is invalid,
    `PictureError` when called with a picture that cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            settings = read_json(path, MOST_PREPROCESSING)
            if not isinstance(settings, dict) or settings.keys() != {"steps", "filter", "mean", "std"}:
                raise ValueError("it must be an object with steps, filter, mean and std")
            if settings["filter"] not in list(FILTERS):
                raise ValueError(f"filter must be one of {', '.join(FILTERS)}")
            self.filter = FILTERS[settings["filter"]]
            if len(listed(settings["steps"], "steps")) > MOST_STEPS:
                raise ValueError(f"steps must have at most {MOST_STEPS} entries")
            self.steps = [parsed_step(step) for step in settings["steps"]]
            self.mean = three_numbers(settings["mean"], "mean")
            self.std = three_numbers(settings["std"], "std")
            if (self.std <= 0).any():
                raise ValueError("std must be above 0")
        except (OSError, ValueError, OverflowError, RecursionError) as error:
            raise WeightsError(f"{path}: {error}") from error

    def __call__(self, picture: str | PathLike[str] | Image.Image) -> np.ndarray:
        """The picture as float32 (height, width, 3); raises `PictureError`."""
        rgb = load_picture(picture)
        try:
            for step, size in self.steps:
                rgb = step(rgb, size, self.filter)
            check_result(rgb, *rgb.size)
        except PictureError as error:
            raise PictureError(f"{name_of(picture)}: {error}") from error
        result = np.array(rgb, dtype=np.float32)
        result /= np.float32(255)
        result -= self.mean
        result /= self.std
        return result


def center_square(picture: Image.Image, size: None, filter: Image.Resampling) -> Image.Image:
    """The central square whose side is the shorter one of the picture."""
    return center_crop(picture, min(picture.size), filter)


def center_crop(picture: Image.Image, size: int, filter: Image.Resampling) -> Image.Image:
    """The central size x size pixels; a half pixel is rounded as torchvision's CenterCrop does."""
    if size > min(picture.size):
        raise PictureError(f"its {picture.width} x {picture.height} pixels are too few to crop {size} x {size}")
    left, top = round((picture.width - size) / 2), round((picture.height - size) / 2)
    result = Image.new(picture.mode, (size, size))
    result.paste(picture, (-left, -top))  # `crop` would refuse more pixels than Pillow's own limit
    return result


def resize(picture: Image.Image, size: int, filter: Image.Resampling) -> Image.Image:
    """To size x size pixels, whatever the shape was."""
    return picture.resize((size, size), filter)


def resize_shorter(picture: Image.Image, size: int, filter: Image.Resampling) -> Image.Image:
    """To `size` pixels along the shorter side, the longer in proportion, rounded down as torchvision does."""
    shorter, longer = min(picture.size), max(picture.size)
    scaled = int(size * longer / shorter)
    check_result(picture, size, scaled)
    return picture.resize((size, scaled) if picture.width <= picture.height else (scaled, size), filter)


def check_result(picture: Image.Image, width: int, height: int) -> None:
    """Raises `PictureError` if a step, or all steps together, would give the picture more pixels than are accepted."""
    if width * height > LARGEST_RESULT:
        size = f"{picture.width} x {picture.height}"
        raise PictureError(f"its {size} pixels would become more than {LARGEST_RESULT:,}")


STEPS_WITH_SIZE = {"resize": resize, "resize_shorter": resize_shorter, "center_crop": center_crop}


def parsed_step(step):
    """["resize", 64] -> (resize, 64); raises `ValueError`."""
    if step == ["center_square"]:
        return center_square, None
    name, size = step if isinstance(step, list) and len(step) == 2 else (None, None)
    if name not in list(STEPS_WITH_SIZE) or type(size) is not int or not 1 <= size <= 4096:
        raise ValueError(
            f'{json.dumps(step)} is not a step: ["center_square"], or one of {", ".join(STEPS_WITH_SIZE)} '
            "with a size from 1 to 4096"
        )
    return STEPS_WITH_SIZE[name], size


def listed(value, name: str) -> list:
    """`value` if it is a list, else `ValueError`."""
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list")
    return value


def three_numbers(value, name: str) -> np.ndarray:
    """float32 (3,) from a list of three finite numbers, red, green, blue; raises `ValueError`."""
    numbers = listed(value, name)
    if len(numbers) != 3 or not all(type(number) in (int, float) for number in numbers):
        raise ValueError(f"{name} must be three numbers")
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype=np.float64).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be three finite numbers")
    return array
