"""What `python -m cv_basics LESSON` does: it runs the lesson on a picture and draws its figure."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure

from cv_basics import canny, color, gaussian_blur, gray, mean_blur, median_blur, otsu, plots
from cv_basics.bands import bands
from cv_basics.noise import gaussian_noise_numpy, psnr, salt_and_pepper_numpy
from cv_basics.picture import Picture


@dataclass(frozen=True)
class Option:
    """A command-line option of a lesson; `default` also gives its type."""

    default: int | float | bool
    help: str


@dataclass(frozen=True)
class Outcome:
    """What a lesson computed from a picture."""

    results: dict[str, Picture]
    figure: Figure
    findings: str


@dataclass(frozen=True)
class Lesson:
    """A lesson, started with `run(name, picture, **options)`."""

    run: Callable[..., Outcome]
    summary: str
    picture: str  # the one from pics/ that shows the point best
    options: dict[str, Option] = field(default_factory=dict)
    needs_colour: bool = False


def run_gray(name: str, picture: Picture) -> Outcome:
    picture = _colour(picture)
    result = gray.gray_numpy(picture)
    return Outcome({"gray": result}, plots.gray_figure(name, picture, result), f"mean grey level {result.mean():.1f}")


def run_color(name: str, picture: Picture) -> Outcome:
    picture = _colour(picture)
    channels = color.split_numpy(picture)
    yuv = color.rgb_to_yuv_numpy(picture)
    back = color.yuv_to_rgb_numpy(yuv)
    figure = plots.color_figure(name, picture, channels, yuv, back)
    results = dict(zip(("red", "green", "blue", "y", "u", "v"), (*channels, *color.split_numpy(yuv)), strict=True))
    changed = sum(int((picture[rows] != back[rows]).any(axis=2).sum()) for rows in bands(picture)) / back[..., 0].size
    return Outcome(results, figure, f"{changed:.1%} of the pixels change from RGB to YUV and back")


def run_mean_blur(name: str, picture: Picture, size: int, noise: float, noise_sigma: float, seed: int) -> Outcome:
    noisy = {
        "salt and pepper": salt_and_pepper_numpy(picture, noise, seed),
        "Gaussian noise": gaussian_noise_numpy(picture, noise_sigma, seed),
    }
    median_size = size | 1  # a mean's window may be even, a median's must have a middle
    rows: dict[str, list[plots.Step]] = {}
    for kind, before in noisy.items():
        mean = mean_blur.mean_blur_numpy(before, size)
        median = median_blur.median_blur_numpy(before, median_size)
        steps = {"noisy": before, f"mean {size} x {size}": mean, f"median {median_size} x {median_size}": median}
        rows[kind] = [(step, result, psnr(result, picture)) for step, result in steps.items()]
    results = {
        f"{kind} {step}".lower().replace(" ", "-"): result for kind, steps in rows.items() for step, result, _ in steps
    }
    findings = "; ".join(
        f"{kind}: " + ", ".join(f"{step} {decibels:.1f} dB" for step, _, decibels in steps)
        for kind, steps in rows.items()
    )
    return Outcome(results, plots.mean_blur_figure(name, picture, rows), findings)


def run_gaussian_blur(name: str, picture: Picture, size: int, sigma: float) -> Outcome:
    kernel = gaussian_blur.gaussian_kernel(size, sigma)
    blurred = gaussian_blur.gaussian_blur_numpy(picture, size, sigma)
    sigma = sigma or 0.15 * len(kernel) + 0.35
    weights = gaussian_blur.gaussian_weights(len(kernel), sigma)
    figure = plots.gaussian_blur_figure(name, picture, blurred, kernel, weights, sigma)
    return Outcome({"blurred": blurred}, figure, f"window {len(kernel)}, weights {kernel} / 256")


def run_canny(name: str, picture: Picture, size: int, sigma: float, low: float, high: float, squared: bool) -> Outcome:
    blurred = gaussian_blur.gaussian_blur_numpy(_grey(picture), size, sigma)
    dx, dy = np.empty(blurred.shape, np.int16), np.empty(blurred.shape, np.int16)
    magnitude, kept = np.empty(blurred.shape, np.int32), np.empty(blurred.shape, np.bool_)
    for rows, right, down, strength, thin in canny.ridges(blurred, squared):
        dx[rows], dy[rows], magnitude[rows], kept[rows] = right, down, strength, thin
    edges = canny.hysteresis_numpy(magnitude, kept, *canny.thresholds(low, high, squared))
    lengths = np.sqrt(magnitude, dtype=np.float32).astype(np.int32) if squared else magnitude
    figure = plots.canny_figure(name, blurred, (dx, dy), lengths, kept, edges, (min(low, high), max(low, high)))
    return Outcome({"edges": edges}, figure, f"{(edges > 0).mean():.1%} of the pixels are edges")


def run_otsu(name: str, picture: Picture) -> Outcome:
    grey = _grey(picture)
    threshold, binary = otsu.otsu_numpy(grey)
    histogram = otsu.histogram_numpy(grey)
    variance = otsu.between_class_variance(histogram)
    figure = plots.otsu_figure(name, grey, histogram, variance, threshold, binary)
    return Outcome(
        {"binary": binary}, figure, f"threshold {threshold}, {(binary > 0).mean():.1%} of the pixels above it"
    )


SIZE = "side of the window in pixels"
SEED = Option(1, "seed of the noise: the same seed gives the same noise")
LESSONS = {
    "gray": Lesson(run_gray, "one number for the brightness of a colour", "dog.jpg", needs_colour=True),
    "color": Lesson(run_color, "the channels one by one; RGB to YUV and back", "chelsea.png", needs_colour=True),
    "mean_blur": Lesson(
        run_mean_blur,
        "mean and median against two kinds of noise",
        "camera.png",
        {
            "size": Option(3, f"{SIZE}; the median takes the next odd number"),
            "noise": Option(0.05, "share of the pixels, 0 to 1, that become white or black"),
            "noise_sigma": Option(20.0, "standard deviation of the Gaussian noise in grey levels"),
            "seed": SEED,
        },
    ),
    "gaussian_blur": Lesson(
        run_gaussian_blur,
        "a mean in which near pixels weigh more",
        "chelsea.png",
        {
            "size": Option(0, f"{SIZE}, odd; 0: 6 sigma + 1"),
            "sigma": Option(2.0, "standard deviation of the kernel in pixels; 0: 0.15 size + 0.35"),
        },
    ),
    "canny": Lesson(
        run_canny,
        "thin edges in four stages",
        "camera.png",
        {
            "size": Option(5, f"{SIZE} of the Gaussian blur beforehand, odd; 1: no blur"),
            "sigma": Option(1.4, "standard deviation of that blur in pixels"),
            "low": Option(50.0, "an edge continues while its magnitude is above this"),
            "high": Option(150.0, "an edge starts where its magnitude is above this"),
            "squared": Option(False, "magnitude sqrt(dx**2 + dy**2) instead of |dx| + |dy|"),
        },
    ),
    "otsu": Lesson(run_otsu, "the threshold that best separates dark from bright", "coins.png"),
}


def _colour(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.dstack([picture] * 3)


def _grey(picture: Picture) -> Picture:
    return picture if picture.ndim == 2 else gray.gray_numpy(picture)
