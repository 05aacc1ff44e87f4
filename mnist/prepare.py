"""Any picture of one digit, made into what the network learnt from: 28 x 28 pixels, light on black, in the middle.

MNIST's digits were made the same way (LeCun et al. 1998, section III.A): the ink's bounding box scaled to fit 20 x 20
with its proportions kept, then placed so that the centre of mass lies in the middle of 28 x 28.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageStat

from cv_basics.decode import Turn, decoded, in_tiles, tiles
from cv_basics.errors import PictureError as UnreadableError
from cv_basics.files import silence
from cv_basics.gaussian_blur import gaussian_blur_numpy
from cv_basics.otsu import otsu_numpy
from mnist.data import SIDE
from mnist.errors import PictureError
from mnist.layers import Array

BOX = 20  # pixels: the longer side of a digit in MNIST
SEARCH = 512  # pixels: the longer side of the picture in which the digit is looked for
DETAIL = 160  # pixels: that of the digit when its shape is taken, 8 for each pixel of MNIST
SAMPLES = 3000  # pixels that the light is fitted to
CONTRAST = 16  # grey levels between ink and paper; below, there is nothing but noise
STROKE = 0.09  # of the digit's size: thinner strokes are thickened, or they would be shades of grey (MNIST: 0.1 to 0.2)
SPECK = 0.1  # of the largest connected piece of ink: what is smaller is dirt


def read_picture(file: Path) -> Array:
    """The colour channel with the most contrast, uint8 (H, W). Raises PictureError.

    That one, not the brightness, because red ink on green paper may be just as bright. Which formats are read, how
    large a picture may be and how much memory that takes says cv_basics/decode.py; the channel takes at most 4 bytes
    per pixel more.
    """
    try:
        with silence():
            # A large JPEG is decoded at a fraction of its size.
            return channel(*decoded(file, (4 * SEARCH, 4 * SEARCH)))
    except UnreadableError as error:
        raise PictureError(f"{file}: {error}") from None
    except MemoryError:
        raise PictureError(f"{file}: there is not enough memory for this picture") from None
    except Exception as error:  # of a damaged file, one of Pillow's decoders may raise anything
        raise PictureError(f"{file} is not a picture that can be read: {error}") from error


def channel(picture: Image.Image, turn: Turn) -> Array:
    """The channel with the most contrast of a picture in any mode, upright, uint8 (H, W)."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = stretched(picture)
    else:
        if picture.has_transparency_data:
            picture = on_opposite(picture)
        elif picture.mode != "RGB":
            picture = in_tiles(picture, "RGB", lambda tile: tile.convert("RGB"))
        picture = picture.getchannel(int(np.argmax(ImageStat.Stat(picture).stddev)))
    return np.asarray(picture if turn is None else picture.transpose(turn))


def stretched(picture: Image.Image) -> Image.Image:
    """A picture with values of any range, the smallest to 0 and the largest to 255: grey.

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


def on_opposite(picture: Image.Image) -> Image.Image:
    """A transparent picture on white paper, or on black if what is opaque is light; RGB."""
    colours, opaque = 0, 0
    for tile in map(picture.crop, tiles(picture)):
        pixels = np.asarray(tile.convert("RGBA")).astype(np.int64)
        colours += int((pixels[:, :, :3] * pixels[:, :, 3:]).sum())
        opaque += int(pixels[:, :, 3].sum())
    paper = "black" if colours > 127 * 3 * opaque else "white"

    def laid(tile: Image.Image) -> Image.Image:
        return Image.alpha_composite(Image.new("RGBA", tile.size, paper), tile.convert("RGBA")).convert("RGB")

    return in_tiles(picture, "RGB", laid)


def prepare(grey: Array) -> Array:
    """The digit in a picture, uint8 (H, W), as the network learnt digits: uint8 (28, 28), light on black.

    Raises PictureError if nothing stands out from the paper.
    """
    small = shrunk(grey, SEARCH)
    top, bottom, left, right = bounding_box(ink(small))
    scale = max(grey.shape) / max(small.shape)
    margin = max(bottom - top, right - left) * 0.15 + 1
    rows = slice(max(int((top - margin) * scale), 0), int((bottom + margin) * scale) + 1)
    columns = slice(max(int((left - margin) * scale), 0), int((right + margin) * scale) + 1)
    mask = ink(resized(grey[rows, columns], DETAIL * 1.3))
    return centred(thickened(cropped(mask)))


def shrunk(grey: Array, side: int) -> Array:
    """grey (H, W) with the longer side at most `side`."""
    return grey if max(grey.shape) <= side else resized(grey, side)


def resized(grey: Array, side: float) -> Array:
    """grey (H, W) with the longer side `side`, in the same proportions."""
    scale = side / max(grey.shape)
    height, width = (max(round(length * scale), 1) for length in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC))


def ink(grey: Array) -> Array:
    """Where a picture, uint8 (H, W), is inked: bool (H, W), without specks. Raises PictureError if nowhere.

    Otsu's threshold (the lesson cv_basics/otsu.py) parts light from dark; what prevails on the border is paper.
    """
    blurred = gaussian_blur_numpy(grey, 3, 0)
    (_, contrast, light) = max((parted(blurred), parted(evenly_lit(blurred))), key=lambda result: result[0])
    if contrast < CONTRAST:
        raise PictureError("shows no digit: nothing stands out from the paper")
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    labels = pieces(~light if border.mean() > 0.5 else light)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0  # the paper
    return (sizes >= SPECK * sizes.max())[labels] & (labels > 0)


def parted(grey: Array) -> tuple[float, float, Array]:
    """Otsu's two classes of a picture, uint8 (H, W): how well they explain it (the share of the variance that lies
    between them, 0 to 1), the difference of their means in grey levels, and where it is light, bool (H, W)."""
    light = otsu_numpy(grey)[1] > 0
    if light.all() or not light.any():
        return 0.0, 0.0, light
    contrast, share = grey[light].mean() - grey[~light].mean(), light.mean()
    return share * (1 - share) * contrast**2 / grey.var(), contrast, light


def evenly_lit(grey: Array) -> Array:
    """A picture, uint8 (H, W), without the light's slow changes over the paper, which becomes 128.

    The light is the surface a + b u + c v + d u^2 + e u v + f v^2 that fits most of the pixels: least squares again and
    again, in which a pixel weighs the less the further off it was (Cauchy's weights), until the ink hardly counts.
    """
    v, u = np.meshgrid(*(np.linspace(-1, 1, length) for length in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1).reshape(-1, 6)
    step = -(-grey.size // SAMPLES)
    some, levels = terms[::step], grey.ravel()[::step].astype(float)
    weights = np.ones(len(levels))
    for _ in range(10):
        weighted = some * weights[:, None]
        surface = np.linalg.lstsq(some.T @ weighted, levels @ weighted)[0]
        distance = np.abs(levels - some @ surface)
        weights = 1 / (1 + (distance / (np.median(distance) + 1)) ** 2)
    return (128.5 + grey - (terms @ surface).reshape(grey.shape)).clip(0, 255).astype(np.uint8)


def pieces(mask: Array) -> Array:
    """Number the connected pieces (8 neighbours) of a mask, bool (H, W): int (H, W), 0 outside the mask.

    By runs: a run of mask pixels in a row is one piece with every run of the row above that it touches. `parent` leads
    from a run to an older one of its piece (union-find, Rosenfeld and Pfaltz 1966).
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parent = list(range(len(rows)))

    def oldest(run: int) -> int:
        while parent[run] != run:
            parent[run] = run = parent[parent[run]]
        return run

    above = 0
    for run, (row, start, end) in enumerate(zip(rows.tolist(), starts.tolist(), ends.tolist())):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < start):
            above += 1
        other = above
        while other < run and rows[other] == row - 1 and starts[other] <= end:
            first, second = sorted((oldest(run), oldest(other)))
            parent[second] = first
            other += 1
    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = np.repeat([oldest(run) + 1 for run in range(len(rows))], ends - starts)
    return labels


def bounding_box(mask: Array) -> tuple[int, int, int, int]:
    """First row, row behind the last, first column, column behind the last of a mask, bool (H, W)."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


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
