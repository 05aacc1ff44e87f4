"""Any picture of one digit, made into what the network learnt from: 28 x 28 pixels, light on black, in the middle.

MNIST's digits were made the same way (LeCun et al. 1998, section III.A): the ink's bounding box scaled to fit 20 x 20
with its proportions kept, then placed so that the centre of mass lies in the middle of 28 x 28.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageStat

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
TALL = 0.1  # of the picture's longer side: the height from which on a piece may be a digit
FRAMED = 0.4  # of a frame's height: that of the digit in it
SPECK = 0.1  # of the largest connected piece of ink: what is smaller is dirt


def read_picture(file: Path) -> Array:
    """The colour channel with the most contrast, uint8 (H, W). Raises PictureError.

    That one, not the brightness, because red ink on green paper may be just as bright. A picture may have 179 million
    pixels, Pillow's limit against decompression bombs: the arrays made on the way take at most 12 bytes for each.
    """
    try:
        with silence(), Image.open(file) as opened:
            opened.draft("RGB", (4 * SEARCH, 4 * SEARCH))  # a large JPEG is decoded at a fraction of its size
            picture = ImageOps.exif_transpose(opened)
            if picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
                return stretched(np.array(picture, np.float64), file)
            if picture.has_transparency_data:
                picture = on_opposite(picture.convert("RGBA"))
            colours = picture.convert("RGB")
            return np.asarray(colours.getchannel(int(np.argmax(ImageStat.Stat(colours).stddev))))
    except FileNotFoundError:
        raise PictureError(f"{file}: there is no such file") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{file} has too many pixels to be read safely") from None
    except MemoryError:
        raise PictureError(f"{file}: there is not enough memory for this picture") from None
    except PictureError:
        raise
    except Exception as error:  # of a damaged file, one of Pillow's 40 decoders may raise anything
        raise PictureError(f"{file} is not a picture that can be read: {error}") from error


def stretched(values: Array, file: Path) -> Array:
    """Values of any range (H, W), the smallest to 0 and the largest to 255, uint8; they are scaled in place.

    Raises PictureError if not all are finite.
    """
    if not np.isfinite(values).all():
        raise PictureError(f"{file} holds values that are not finite")
    span = np.ptp(values)
    values -= values.min()
    values *= 255 / span if span > 0 else 0
    return values.astype(np.uint8)


def on_opposite(picture: Image.Image) -> Image.Image:
    """A transparent RGBA picture on white paper, or on black if what is opaque is light."""
    pixels = np.asarray(picture)
    colours, alpha = pixels[:, :, :3], pixels[:, :, 3]
    light = np.einsum("hwc,hw->", colours, alpha, dtype=np.int64) > 127 * 3 * alpha.sum(dtype=np.int64)
    paper = Image.new("RGBA", picture.size, "black" if light else "white")
    return Image.alpha_composite(paper, picture)


def prepare(grey: Array) -> Array:
    """The digit in a picture, uint8 (H, W), as the network learnt digits: uint8 (28, 28), light on black.

    Raises PictureError if nothing stands out from the paper.
    """
    return second_look(grey, first_look(grey))


def first_look(grey: Array) -> Array:
    """Where a picture, uint8 (H, W), has its digit: bool (h, w), shrunk to SEARCH. Raises PictureError if nowhere."""
    return digit_in(pieces(ink(shrunk(grey, SEARCH))))


def second_look(grey: Array, found: Array) -> Array:
    """The digit of a picture, uint8 (H, W), that first_look has `found`, bool (h, w), from near by: uint8 (28, 28)."""
    top, bottom, left, right = bounding_box(found)
    scale = max(grey.shape) / max(found.shape)
    margin = max(bottom - top, right - left) * 0.15 + 1
    rows = slice(max(int((top - margin) * scale), 0), int((bottom + margin) * scale) + 1)
    columns = slice(max(int((left - margin) * scale), 0), int((right + margin) * scale) + 1)
    near = resized(grey[rows, columns], DETAIL * 1.3)
    whole = np.asarray(Image.fromarray(found).resize(grey.shape[::-1]))  # of the picture's size, which may be large
    expected = np.asarray(Image.fromarray(whole[rows, columns]).resize(near.shape[::-1]))
    return centred(thickened(cropped(same_ink(near, expected))))


def shrunk(grey: Array, side: int) -> Array:
    """grey (H, W) with the longer side at most `side`."""
    return grey if max(grey.shape) <= side else resized(grey, side)


def resized(grey: Array, side: float) -> Array:
    """grey (H, W) with the longer side `side`, in the same proportions."""
    scale = side / max(grey.shape)
    height, width = (max(round(length * scale), 1) for length in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC))


def ink(grey: Array) -> Array:
    """Where a picture, uint8 (H, W), is inked: bool (H, W). Raises PictureError if nowhere.

    Otsu's threshold (the lesson cv_basics/otsu.py) parts light from dark; what prevails on the border is paper, unless
    three quarters of the picture contradict: then the border is a frame. Of `lights`, that picture counts whose two
    classes explain it best and whose border is of one class.
    """
    classes = [(share, light) for share, contrast, light in map(parted, lights(grey)) if contrast >= CONTRAST]
    if not classes:
        raise PictureError("shows no digit: nothing stands out from the paper")
    _, light = max(classes, key=lambda result: result[0] * unanimity(result[1]) ** 2)
    paper_is_light = border(light).mean() > 0.5
    if abs(light.mean() - paper_is_light) > 0.75:
        paper_is_light = not paper_is_light
    return ~light if paper_is_light else light


def same_ink(grey: Array, expected: Array) -> Array:
    """The ink of a picture, uint8 (H, W), that is most like the `expected`, bool (H, W), and none that it does not
    touch: bool (H, W)."""
    masks = [mask for picture in lights(grey) for light in [parted(picture)[2]] for mask in (light, ~light)]
    labels = pieces(max(masks, key=lambda mask: (mask & expected).sum() / (mask | expected).sum()))
    wanted = np.bincount(labels[expected], minlength=labels.max() + 1) > 0
    wanted[0] = False
    return wanted[labels]


def lights(grey: Array) -> tuple[Array, Array, Array]:
    """A picture, uint8 (H, W), without its grain: in its own light, and with the light evened out in two ways."""
    blurred = gaussian_blur_numpy(grey, 3, 0)
    return blurred, evenly_lit(blurred), without_shadows(blurred)


def border(light: Array) -> Array:
    """The values along the four edges of a picture, bool (H, W)."""
    return np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])


def unanimity(light: Array) -> float:
    """The share of the border, 0.5 to 1, that is of its larger class: light, bool (H, W)."""
    share = border(light).mean()
    return max(share, 1 - share)


def digit_in(labels: Array) -> Array:
    """The digit among pieces of ink, int (H, W), 0 for paper, without what lies beside it: bool (H, W).

    Lines, frames and shadows are pieces that touch the picture's edge, or that enclose another. They are dropped only
    if that leaves a piece of some height: a digit that was cut out tightly touches the edge as well.
    """
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0  # the paper
    tops, bottoms, lefts, rights = boxes(labels)
    heights = bottoms - tops
    height, width = labels.shape
    inside = (tops > 0) & (bottoms < height) & (lefts > 0) & (rights < width)
    tall = inside & (heights >= TALL * max(height, width)) & (sizes > 0)
    for piece in np.nonzero(tall)[0]:  # what is within it, and not much smaller?
        within = (tops > tops[piece]) & (bottoms < bottoms[piece]) & (lefts > lefts[piece]) & (rights < rights[piece])
        tall[piece] = inside[piece] = not (tall & within & (heights >= FRAMED * heights[piece])).any()
    if tall.any():
        sizes[~inside] = 0
    return (sizes >= SPECK * sizes.max())[labels] & (labels > 0)


def count_digits(found: Array) -> int:
    """How many digits first_look has `found`, bool (h, w): pieces at least half as tall as the tallest one, their
    bounding boxes apart from each other (the two pieces of a broken digit mostly overlap)."""
    labels = pieces(found)
    tops, bottoms, lefts, rights = boxes(labels)
    heights = bottoms - tops
    count = np.zeros(0, int)
    for piece in np.nonzero(heights >= heights.max() / 2)[0]:
        across = (lefts[count] < rights[piece]) & (lefts[piece] < rights[count])
        down = (tops[count] < bottoms[piece]) & (tops[piece] < bottoms[count])
        if not (across & down).any():
            count = np.append(count, piece)
    return len(count)


def boxes(labels: Array) -> tuple[Array, Array, Array, Array]:
    """The bounding box of each piece of int (H, W): first row, row behind the last, first column, column behind the
    last, each int (largest label + 1,)."""
    result = []
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns]
    for places, length in ((rows, labels.shape[0]), (columns, labels.shape[1])):
        first, last = np.full(labels.max() + 1, length), np.zeros(labels.max() + 1, int)
        np.minimum.at(first, which, places)
        np.maximum.at(last, which, places + 1)
        result += [first, last]
    return result[0], result[1], result[2], result[3]


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


def without_shadows(grey: Array) -> Array:
    """A picture, uint8 (H, W), less its paper with whatever shadows lie on it; the paper becomes 128.

    The paper under dark ink is the closing: in each window the largest grey level, then the smallest of those. It fills
    whatever is narrower than the window, and keeps the edge of a shadow where it is, however sharp (J. Serra, Image
    Analysis and Mathematical Morphology, 1982; what remains is his "black top-hat"). Under light ink it is the opening,
    the same with dark and light exchanged. Of the two the one with fewer edges is the paper.
    """
    size = max(grey.shape) // 8 * 2 + 1  # a quarter of the picture: wider than any stroke
    closing = 255 - largest_around(255 - largest_around(grey, size), size)
    opening = largest_around(255 - largest_around(255 - grey, size), size)
    paper = min(closing.astype(int), opening.astype(int), key=edges)
    return (grey - paper + 128).clip(0, 255).astype(np.uint8)


def edges(levels: Array) -> int:
    """The sum of all differences between neighbours, its total variation: levels, int (H, W)."""
    return np.abs(np.diff(levels, axis=0)).sum() + np.abs(np.diff(levels, axis=1)).sum()


def largest_around(grey: Array, size: int) -> Array:
    """The largest level in the square of `size` (odd) pixels around each pixel: uint8 (H, W) of the same.

    By doubling: the largest of 2 n pixels is the larger of two largest of n.
    """
    result = np.pad(grey, size // 2, mode="edge")
    for _ in range(2):  # along the rows, then, turned over, along the columns
        reached = 1
        while reached < size:
            step = min(reached, size - reached)
            result = np.maximum(result[:-step], result[step:])
            reached += step
        result = result.T
    return result


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
