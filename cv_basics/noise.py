"""Noise to try the filters on, and how to say how much of it is left.

The numbers come from `numpy.random.RandomState`, whose stream NumPy has frozen: a seed gives the same noise for ever.
"""

import math

import numpy as np
import numpy.typing as npt

from cv_basics.picture import Picture, check_number, check_picture, check_whole

SALT, PEPPER = 255, 0
LAST_SEED = 2**32 - 1


def salt_and_pepper_loops(picture: Picture, share: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), with `share` of its pixels turned white and black in turn: round(share * H * W)
    of them, none twice. ValueError if `share` is not from 0 to 1 or `seed` not a whole number from 0 to 2**32 - 1."""
    places = _places(picture, share, seed).tolist()
    noisy = picture.copy()
    for number, place in enumerate(places):
        y, x = divmod(place, picture.shape[1])
        noisy[y, x] = SALT if number % 2 == 0 else PEPPER
    return noisy


def salt_and_pepper_numpy(picture: Picture, share: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), with `share` of its pixels turned white and black in turn: round(share * H * W)
    of them, none twice. ValueError if `share` is not from 0 to 1 or `seed` not a whole number from 0 to 2**32 - 1."""
    ys, xs = np.divmod(_places(picture, share, seed), picture.shape[1])
    noisy = picture.copy()
    noisy[ys[0::2], xs[0::2]] = SALT
    noisy[ys[1::2], xs[1::2]] = PEPPER
    return noisy


def gaussian_noise_loops(picture: Picture, sigma: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), plus normal noise with the standard deviation `sigma` in grey levels, in each
    channel by itself. ValueError if `sigma` is negative or `seed` not a whole number from 0 to 2**32 - 1."""
    noise = _normal(picture, sigma, seed)
    noisy = np.empty_like(picture)
    for place in np.ndindex(picture.shape):
        level = round(float(picture[place]) + float(noise[place]))
        noisy[place] = min(max(level, 0), 255)  # without this 260 would wrap around to 4: black specks in the white
    return noisy


def gaussian_noise_numpy(picture: Picture, sigma: float, seed: int) -> Picture:
    """`picture`, (H, W) or (H, W, 3), plus normal noise with the standard deviation `sigma` in grey levels, in each
    channel by itself. ValueError if `sigma` is negative or `seed` not a whole number from 0 to 2**32 - 1."""
    noise = _normal(picture, sigma, seed)
    noise += picture
    return np.rint(noise).clip(0, 255).astype(np.uint8)


def psnr(picture: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio in decibels, 10 log10(255**2 / mean squared difference); infinite for equal pictures.
    About 40 dB looks alike, 20 dB looks bad. ValueError if the shapes differ."""
    check_picture(picture)
    check_picture(reference, "reference")
    if picture.shape != reference.shape:
        raise ValueError(f"reference must have the shape of picture, {picture.shape}, not {reference.shape}")
    difference = picture.astype(np.int32) - reference
    mean_square = float(np.mean(difference * difference, dtype=np.float64))
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


def _places(picture: Picture, share: float, seed: int) -> npt.NDArray[np.int64]:
    """The pixels to hit, numbered row by row: drawn without replacement, so that exactly that share is hit."""
    check_picture(picture)
    share = check_number(share, "share", 0, 1)
    seed = check_whole(seed, "seed", 0, LAST_SEED)
    pixels = picture.shape[0] * picture.shape[1]
    return np.random.RandomState(seed).permutation(pixels)[: round(share * pixels)]


def _normal(picture: Picture, sigma: float, seed: int) -> npt.NDArray[np.float64]:
    check_picture(picture)
    sigma = check_number(sigma, "sigma", low=0)
    seed = check_whole(seed, "seed", 0, LAST_SEED)
    return sigma * np.random.RandomState(seed).standard_normal(picture.shape)
