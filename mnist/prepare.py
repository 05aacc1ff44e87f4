"""Any picture of one digit, made into what the network learnt from: 28 x 28 pixels, light on black, in the middle.

MNIST's digits were made the same way (LeCun et al. 1998, section III.A): the ink's bounding box scaled to fit into
20 x 20 in the same proportions, then placed so that the centre of mass lies in the middle of 28 x 28.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageStat

from cv_basics.containers import Turn
from cv_basics.decode import decoded, in_tiles, tiles
from cv_basics.errors import PictureError as UnreadableError
from cv_basics.files import silence
from mnist.data import SIDE
from mnist.errors import PictureError
from mnist.layers import Array
from mnist.light import lighting_variants, otsu_classes
from mnist.pieces import bounding_box, digit_in, pieces

BOX = 20  # pixels: the longer side of a digit in MNIST
SEARCH = 512  # pixels: the longer side of the picture in which the digit is searched for
DETAIL = 160  # pixels: that of the digit when its shape is extracted, 8 per pixel of MNIST
CONTRAST = 16  # grey levels between ink and paper; with less, there is nothing but noise
STROKE = 0.09  # of the digit's size: thinner strokes are thickened, or they would be shades of grey (MNIST: 0.1 to 0.2)


def read_picture(file: Path) -> Array:
    """The colour channel with the most contrast, uint8 (H, W). Raises PictureError.

    Not the brightness, because red ink may be just as bright as the green paper under it. cv_basics/decode.py says
    which formats are read, how large a picture may be, and how much memory that takes; the channel takes at most 4
    more bytes per pixel.
    """
    try:
        with silence():
            # A large JPEG is decoded at a fraction of its size.
            return channel(*decoded(file, (4 * SEARCH, 4 * SEARCH)))
    except UnreadableError as error:
        raise PictureError(f"{file}: {error}") from None
    except MemoryError:
        raise PictureError(f"{file}: not enough memory for this picture") from None
    except Exception as error:  # for a damaged file, Pillow's decoders may raise anything
        raise PictureError(f"{file} is not a picture that can be read: {error}") from error


def channel(picture: Image.Image, turn: Turn) -> Array:
    """The channel with the most contrast of a picture in any mode, upright, uint8 (H, W)."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = stretched(picture)
    else:
        if picture.has_transparency_data:
            picture = on_contrasting_paper(picture)
        elif picture.mode != "RGB":
            picture = in_tiles(picture, "RGB", lambda tile: tile.convert("RGB"))
        picture = picture.getchannel(int(np.argmax(ImageStat.Stat(picture).stddev)))
    return np.asarray(picture if turn is None else picture.transpose(turn))


def stretched(picture: Image.Image) -> Image.Image:
    """A picture with values of any range, as grey: the smallest becomes 0 and the largest 255.

    Raises cv_basics' PictureError if not all are finite.
    """
    extremes = [(values.min(), values.max()) for values in map(np.asarray, map(picture.crop, tiles(picture)))]
    if not np.isfinite(extremes).all():
        raise UnreadableError("holds values that are not finite")
    lowest, highest = float(np.min(extremes)), float(np.max(extremes))
    scale = 255 / (highest - lowest) if highest > lowest else 0

    def scaled(tile: Image.Image) -> Image.Image:
        return Image.fromarray(((np.asarray(tile, np.float64) - lowest) * scale).astype(np.uint8))

    return in_tiles(picture, "L", scaled)


def on_contrasting_paper(picture: Image.Image) -> Image.Image:
    """A transparent picture on white paper, or on black if its opaque part is light; RGB."""
    colours, opaque = 0, 0
    for tile in map(picture.crop, tiles(picture)):
        pixels = np.asarray(tile.convert("RGBA")).astype(np.int64)
        colours += int((pixels[:, :, :3] * pixels[:, :, 3:]).sum())
        opaque += int(pixels[:, :, 3].sum())
    paper = "black" if colours > 127 * 3 * opaque else "white"

    def over_paper(tile: Image.Image) -> Image.Image:
        return Image.alpha_composite(Image.new("RGBA", tile.size, paper), tile.convert("RGBA")).convert("RGB")

    return in_tiles(picture, "RGB", over_paper)


def prepare(grey: Array) -> Array:
    """The digit in a picture, uint8 (H, W), as the network learnt digits: uint8 (28, 28), light on black.

    Raises PictureError if nothing stands out from the paper.
    """
    return extract_digit(grey, find_digit(grey))


def find_digit(grey: Array) -> Array:
    """Where a picture, uint8 (H, W), has its digit: bool (h, w), shrunk to SEARCH. Raises PictureError if nowhere."""
    return digit_in(pieces(ink(shrunk(grey, SEARCH))))


def extract_digit(grey: Array, found: Array) -> Array:
    """The digit of a picture, uint8 (H, W), that find_digit has `found`, bool (h, w), in detail: uint8 (28, 28)."""
    top, bottom, left, right = bounding_box(found)
    scale = max(grey.shape) / max(found.shape)
    margin = max(bottom - top, right - left) * 0.15 + 1
    height, width = found.shape
    box = (max(left - margin, 0), max(top - margin, 0), min(right + margin, width), min(bottom + margin, height))
    first_column, first_row, last_column, last_row = (int(place * scale) for place in box)
    detail = resized(grey[first_row : last_row + 1, first_column : last_column + 1], DETAIL * 1.3)
    expected = np.asarray(Image.fromarray(found).resize(detail.shape[::-1], Image.Resampling.NEAREST, box))
    return centred(thickened(cropped(same_ink(detail, expected))))


def shrunk(grey: Array, side: int) -> Array:
    """A picture, uint8 (H, W), with the longer side at most `side`."""
    return grey if max(grey.shape) <= side else resized(grey, side)


def resized(grey: Array, side: float) -> Array:
    """A picture, uint8 (H, W), with the longer side `side`, in the same proportions."""
    scale = side / max(grey.shape)
    height, width = (max(round(length * scale), 1) for length in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC))


def ink(grey: Array) -> Array:
    """Where a picture, uint8 (H, W), is inked: bool (H, W). Raises PictureError if nowhere.

    Otsu's threshold (the lesson cv_basics/otsu.py) separates light from dark. The class that prevails on the border is
    paper, unless three quarters of the picture are of the other: then the border is a frame. Of the lighting variants,
    the one counts whose two classes explain it best and whose border is of one class.
    """
    variants = map(otsu_classes, lighting_variants(grey))
    classes = [(share, light) for share, contrast, light in variants if contrast >= CONTRAST]
    if not classes:
        raise PictureError("shows no digit: nothing stands out from the paper")
    _, light = max(classes, key=lambda result: result[0] * unanimity(result[1]) ** 2)
    paper_is_light = border(light).mean() > 0.5
    if abs(light.mean() - paper_is_light) > 0.75:
        paper_is_light = not paper_is_light
    return ~light if paper_is_light else light


def same_ink(grey: Array, expected: Array) -> Array:
    """The ink of a picture, uint8 (H, W), most like the `expected`, bool (H, W), without the pieces that do not touch
    it: bool (H, W)."""
    light_areas = [otsu_classes(variant)[2] for variant in lighting_variants(grey)]
    masks = [mask for light in light_areas for mask in (light, ~light)]
    labels = pieces(max(masks, key=lambda mask: (mask & expected).sum() / (mask | expected).sum()))
    wanted = np.bincount(labels[expected], minlength=labels.max() + 1) > 0
    wanted[0] = False
    return wanted[labels]


def border(light: Array) -> Array:
    """The values along the four edges of a picture, bool (H, W)."""
    return np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])


def unanimity(light: Array) -> float:
    """The share of the border, 0.5 to 1, that its larger class has: light, bool (H, W)."""
    share = border(light).mean()
    return max(share, 1 - share)


def cropped(mask: Array) -> Array:
    """A mask, bool (H, W), cut to its bounding box."""
    top, bottom, left, right = bounding_box(mask)
    return mask[top:bottom, left:right]


def thickened(mask: Array) -> Array:
    """A mask, bool (H, W), with its strokes at least STROKE of its longer side wide.

    A stroke of length l and width w has l w pixels and an outline of 2 l, so w is twice the pixels by the outline.
    """
    inside = np.pad(mask, 1)
    core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    width = 2 * mask.sum() / (mask & ~core).sum()
    steps = max(round((STROKE * max(mask.shape) - width) / 2), 0)
    grown = np.pad(mask, steps)
    for _ in range(steps):
        before = np.pad(grown, 1)
        grown = before[1:-1, 1:-1] | before[:-2, 1:-1] | before[2:, 1:-1] | before[1:-1, :-2] | before[1:-1, 2:]
    return grown


def centred(mask: Array) -> Array:
    """A digit that fills its mask, bool (H, W), as uint8 (28, 28): 20 pixels long, centre of mass in the middle."""
    scale = BOX / max(mask.shape)
    height, width = (max(round(length * scale), 1) for length in mask.shape)
    digit = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(digit)
    rows, columns = np.indices(pixels.shape)
    top = round(SIDE / 2 - 0.5 - np.average(rows, weights=pixels))
    left = round(SIDE / 2 - 0.5 - np.average(columns, weights=pixels))
    top, left = min(max(top, 0), SIDE - height), min(max(left, 0), SIDE - width)
    result = np.zeros((SIDE, SIDE), np.uint8)
    result[top : top + height, left : left + width] = pixels
    return result
