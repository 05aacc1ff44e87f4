"""Picture files read and written with Pillow."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from cv_basics.decode import decoded, in_tiles, over_white, tiles
from cv_basics.errors import PictureError
from cv_basics.picture import Picture

GREY_MODES = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


@contextmanager
def silence() -> Iterator[None]:
    """Suppress Pillow's warnings, and what its C libraries write to stderr: libtiff reports damage there itself.

    For single-threaded programs only: warnings and the descriptor belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kept = os.dup(2)
        except OSError:  # stderr is closed
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def read_picture(path: str | Path) -> Picture:
    """The first frame of a picture file as it is meant to be seen: uint8, (H, W) if it is grey, else (H, W, 3) RGB.

    The EXIF orientation is applied, transparent pixels are laid over white, and 16-bit grey is scaled to 8 bits.
    decode.py says which formats are read, how large a picture may be, and how much memory that takes. Raises
    PictureError if the file is missing, is not such a picture, or is incomplete.
    """
    try:
        with silence():
            image, turn = decoded(Path(path))
            image = _eight_bit(image)  # frees the decoded image before it is turned
            return _pixels(image if turn is None else image.transpose(turn))
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None
    except MemoryError:
        raise PictureError(f"{path}: not enough memory for this picture") from None
    except Exception as error:  # Pillow's decoders raise anything for a damaged file: SyntaxError, struct.error, ...
        raise PictureError(f"{path}: can't be read ({error})") from None


def write_picture(path: Path, picture: Picture) -> None:
    """Write a grey (H, W) or RGB (H, W, 3) uint8 picture; the name's extension sets the format."""
    with appearing_whole(path) as partial:
        Image.fromarray(picture).save(partial)


@contextmanager
def appearing_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, with its extension: renamed to `path` if all goes well, else removed."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=path.suffix)
    except OSError as error:  # it names the temporary file, which the user has never heard of
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)  # mkstemp lets only the owner read
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _eight_bit(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit grey if it is grey, else as RGB."""
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.mode.startswith("I") or image.mode == "F":
        return in_tiles(image, mode, lambda tile: Image.fromarray(_levels(np.asarray(tile), tile.mode)))
    if image.mode != mode or image.has_transparency_data:
        return in_tiles(image, mode, lambda tile: over_white(tile).convert(mode))
    return image


def _pixels(image: Image.Image) -> Picture:
    """An image's array, filled tile by tile: np.array would hold three copies on the way."""
    pixels = np.empty((image.height, image.width, 3)[: 2 if image.mode == "L" else 3], np.uint8)
    for left, top, right, bottom in tiles(image):
        pixels[top:bottom, left:right] = np.asarray(image.crop((left, top, right, bottom)))
    return pixels


def _levels(values: np.ndarray, mode: str) -> Picture:
    """Grey levels (H, W) of more than 8 bits as uint8: integers range over 0..65535, floats over 0..255."""
    if not np.isfinite(values).all():
        raise PictureError("has pixels that are not finite numbers")
    scaled = values / (1 if mode == "F" else 257)  # 65535 = 255 * 257
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
