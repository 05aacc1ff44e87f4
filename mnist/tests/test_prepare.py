"""What becomes of a picture before the network sees it: its lighting, its pieces of ink, its strokes, its place."""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from mnist.data import embedded
from mnist.layers import Array
from mnist.light import largest_around, without_shadows
from mnist.network import Network
from mnist.pieces import pieces
from mnist.prepare import prepare, read_picture, thickened
from mnist.tests.measure import digits_alone


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


def test_specks_are_ignored_and_loose_strokes_are_kept(seven: Path) -> None:
    picture = read_picture(seven).copy()
    picture[150:156, 10:16] = 0
    picture[5:9, 150:154] = 0
    assert np.array_equal(prepare(picture), prepare(read_picture(seven)))
    picture = read_picture(seven).copy()
    picture[52:58] = 255  # the bar of the 7 is now loose
    seen = prepare(picture)
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
