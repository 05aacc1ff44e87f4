"""Noise to try the filters on, and a measure of how much of it is left.

The numbers come from `numpy.random.RandomState`, whose stream NumPy has frozen: a seed always gives the same noise.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cv_basics.bands import bands
from cv_basics.picture import Picture, check_number, check_picture, check_whole

SALT, PEPPER = 255, 0
LAST_SEED = 2**32 - 1


def salt_and_pepper_loops(picture: Picture, share: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), with `share` of its pixels made white and black in turn: round(share * H * W) of
    them, none twice. ValueError unless `share` is from 0 to 1 and `seed` a whole number from 0 to 2**32 - 1."""
    picture = check_picture(picture)
    places = _places(picture, share, seed).tolist()
    noisy = picture.copy()
    for number, place in enumerate(places):
        y, x = divmod(place, picture.shape[1])
        noisy[y, x] = SALT if number % 2 == 0 else PEPPER
    return noisy


def salt_and_pepper_numpy(picture: Picture, share: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), with `share` of its pixels made white and black in turn: round(share * H * W) of
    them, none twice. ValueError unless `share` is from 0 to 1 and `seed` a whole number from 0 to 2**32 - 1."""
    picture = check_picture(picture)
    places = _places(picture, share, seed)
    noisy = picture.reshape(picture.shape[0] * picture.shape[1], -1).copy()
    noisy[places[0::2]] = SALT
    noisy[places[1::2]] = PEPPER
    return noisy.reshape(picture.shape)


def gaussian_noise_loops(picture: Picture, sigma: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), plus normal noise with the standard deviation `sigma` in grey levels, in each
    channel on its own. ValueError if `sigma` is negative or `seed` is not a whole number from 0 to 2**32 - 1."""
    picture = check_picture(picture)
    noise = _normal(sigma, seed)(picture)
    noisy = np.empty_like(picture)
    for place in np.ndindex(picture.shape):
        level = round(float(picture[place]) + float(noise[place]))
        noisy[place] = min(max(level, 0), 255)  # without this 260 would wrap around to 4: black specks in the white
    return noisy


def gaussian_noise_numpy(picture: Picture, sigma: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), plus normal noise with the standard deviation `sigma` in grey levels, in each
    channel on its own. ValueError if `sigma` is negative or `seed` is not a whole number from 0 to 2**32 - 1."""
    picture = check_picture(picture)
    normal = _normal(sigma, seed)
    noisy = np.empty_like(picture)
    for rows in bands(picture):
        noisy[rows] = np.rint(picture[rows] + normal(picture[rows])).clip(0, 255)
    return noisy


def psnr(picture: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio in decibels, 10 log10(255**2 / mean squared difference); infinite for equal pictures.
    At 40 dB two pictures look alike; 20 dB looks bad. ValueError if the shapes differ."""
    picture, reference = check_picture(picture), check_picture(reference, "reference")
    if picture.shape != reference.shape:
        raise ValueError(f"reference must have the shape of picture, {picture.shape}, not {reference.shape}")
    square = 0
    for rows in bands(picture):
        difference = picture[rows].astype(np.int32) - reference[rows]
        square += int(np.sum(difference * difference, dtype=np.int64))
    return math.inf if square == 0 else 10 * math.log10(255**2 * picture.size / square)


def _places(picture: Picture, share: float, seed: int) -> npt.NDArray[np.int64]:
    """The pixels to hit, numbered row by row: drawn without replacement, so that exactly this share is hit."""
    share = check_number(share, "share", 0, 1)
    seed = check_whole(seed, "seed", 0, LAST_SEED)
    pixels = picture.shape[0] * picture.shape[1]
    return np.random.RandomState(seed).permutation(pixels)[: round(share * pixels)]


def _normal(sigma: float, seed: int) -> Callable[[Picture], npt.NDArray[np.float64]]:
    """A function that gives each band of a picture its noise: the stream continues from one band to the next."""
    sigma = check_number(sigma, "sigma", low=0)
    generator = np.random.RandomState(check_whole(seed, "seed", 0, LAST_SEED))
    return lambda band: sigma * generator.standard_normal(band.shape)
