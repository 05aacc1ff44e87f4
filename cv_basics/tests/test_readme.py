"""What cv_basics/README.md says is true of the code: its numbers, what it rejects, the memory it needs."""

import math
import re
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cv_basics import canny, color, gallery, gaussian_blur, gray, lessons, mean_blur, median_blur, noise, otsu
from cv_basics.files import read_picture
from cv_basics.tests.conftest import make_picture

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TEXT = " ".join(README.split())  # sentences without their line breaks
MODULES = (canny, color, gaussian_blur, gray, lessons, mean_blur, median_blur, noise, otsu)
CALLS = {name: call for module in MODULES for name, call in vars(module).items() if callable(call)}


def rows(section: str) -> list[list[str]]:
    """The cells of the table in a section, without its head."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def share(wrong: np.ndarray) -> str:
    return f"{wrong.mean():.2%}".replace("%", " %")


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    numbers = np.arange(2**24, dtype=np.uint32).view(np.uint8).reshape(4096, 4096, 4)
    return np.ascontiguousarray(numbers[..., :3])


def test_the_stated_shares_of_grey_levels_are_those_of_all_colours(colours):
    ours = gray.gray_numpy(colours)
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    formula = (299 * red + 587 * green + 114 * blue + 500) // 1000
    assert abs(formula - ours).max() == 1
    assert f"{share(formula != ours)} of all colours come out one level off" in TEXT
    pillow = np.asarray(Image.fromarray(colours).convert("L"))
    assert f"differs from OpenCV in {share(pillow != ours)}" in TEXT
    assert f"differ for {share(color.rgb_to_yuv_numpy(colours)[..., 0] != ours)} of all colours" in TEXT


def test_the_stated_shares_of_chroma_are_those_of_all_colours(colours):
    yuv = color.rgb_to_yuv_numpy(colours)
    luma, red, blue = (part.astype(np.int32) for part in (yuv[..., 0], colours[..., 0], colours[..., 2]))
    u = (color.BLUE_TO_U * (blue - luma) + color.OFFSET) >> color.SHIFT
    v = (color.RED_TO_V * (red - luma) + color.OFFSET) >> color.SHIFT
    assert f"U runs from {u.min()} to {u.max()}, but V from {v.min()} to {v.max()}" in TEXT
    change = abs(color.yuv_to_rgb_numpy(yuv).astype(np.int16) - colours).max(axis=2)
    clamped = (v < 0) | (v > 255)
    assert round(4 * (change > 0).mean(), 1) == 3
    assert "changes three colours in four: by one level" in TEXT
    assert change[~clamped].max() == 1
    said = f"{clamped.mean():.1%}".replace("%", " %")
    assert f"for the {said} of colours whose V was clamped" in TEXT
    assert f"by up to {change[clamped].max()}." in TEXT


def test_the_stated_error_of_the_plain_mean_is_that_of_the_yellow_wall():
    dog = read_picture(gallery.PICS / "dog.jpg")
    red, green, blue = np.moveaxis(dog.astype(int), -1, 0)
    yellow = np.minimum(red, green) > blue + 40
    too_dark = (gray.gray_numpy(dog) - dog.mean(axis=2))[yellow].mean()
    assert f"mostly red and green, {too_dark:.0f} levels too dark" in TEXT


def test_the_table_of_mean_and_median_is_that_of_every_picture():
    """The table in lesson 3, with the pictures, window and seed of the command line."""
    table = ["| | sigma 10 | sigma 20 | sigma 30 |", "| --- | ---: | ---: | ---: |"]
    for path in gallery.default_pictures():
        picture = read_picture(path)
        cells = []
        for sigma in (10, 20, 30):
            noisy = noise.gaussian_noise_numpy(picture, sigma, 1)
            filters = mean_blur.mean_blur_numpy, median_blur.median_blur_numpy
            pair = [f"{noise.psnr(blur(noisy, 3), picture):.1f}" for blur in filters]
            best = max(pair, key=float) if pair[0] != pair[1] else None
            cells.append(" / ".join(f"**{each}**" if each == best else each for each in pair))
        table.append(f"| {path.name} | {' | '.join(cells)} |")
    assert "\n".join(table) in README


def test_the_median_leaves_more_noise_on_an_even_surface():
    noisy = noise.gaussian_noise_numpy(np.full((1000, 1000), 128, np.uint8), 20, 1)
    ratio = median_blur.median_blur_numpy(noisy, 3).std() / mean_blur.mean_blur_numpy(noisy, 3).std()
    assert f"the median leaves {ratio:.1f} times as much noise as the mean" in TEXT


def test_the_kernel_of_sigma_2_is_the_one_described():
    exact = [256 * weight for weight in gaussian_blur.gaussian_weights(13, 2)]
    kernel = gaussian_blur.gaussian_kernel(13, 2)
    first = ", ".join(f"{weight:.2f}" for weight in exact[:4])
    whole = ", ".join(map(str, kernel[:4]))
    assert f"{first} become {whole}, and so on to {kernel[6]} in the middle instead of {exact[6]:.1f}" in TEXT
    cat = read_picture(gallery.PICS / "chelsea.png")
    wide = np.pad(cat.astype(float), ((6, 6), (6, 6), (0, 0)), mode="reflect")
    across = sum(weight / 256 * wide[:, i : i + cat.shape[1]] for i, weight in enumerate(exact))
    down = sum(weight / 256 * across[i : i + len(cat)] for i, weight in enumerate(exact))
    change = abs(np.rint(down) - gaussian_blur.gaussian_blur_numpy(cat, 13, 2))
    assert change.max() == 1
    assert f"changes {(change > 0).mean() * 100:.0f} % of the values" in TEXT


def test_the_stated_counts_of_edge_pixels_are_those_of_the_camera_man():
    camera = read_picture(gallery.PICS / "camera.png")
    blurred = gaussian_blur.gaussian_blur_numpy(camera, 5, 1.4)
    strong, weak, both = (
        np.count_nonzero(canny.canny_numpy(blurred, low, high)) for low, high in ((150, 150), (50, 50), (50, 150))
    )
    assert f"a single threshold of 150 leaves {strong} edge pixels" in TEXT
    assert f"and one of 50 leaves {weak}," in TEXT
    assert f"50 and 150 give {both}:" in TEXT
    assert f"the same thresholds find {np.count_nonzero(canny.canny_numpy(camera, 50, 150))}." in TEXT
    assert f"tan 22.5° is {canny.TANGENT} / 32768" in TEXT


def test_the_stated_share_of_otsus_variance_is_that_of_the_coins():
    coins = read_picture(gallery.PICS / "coins.png")
    threshold, _ = otsu.otsu_numpy(coins)
    between = otsu.between_class_variance(otsu.histogram_numpy(coins))[threshold]
    assert f"On the coins, {threshold} explains {between / coins.var() * 100:.0f} % of the variance" in TEXT


@pytest.mark.parametrize("theirs, ours, message", rows("What is refused"))
def test_what_the_readme_lists_is_accepted_by_opencv_and_rejected_here(theirs, ours, message):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    names = {
        **CALLS, "cv2": cv2, "nan": math.nan, "inf": math.inf, "grey": grey, "rgba": np.dstack([grey] * 4),
        "deep": grey.astype(np.uint16), "real": grey.astype(np.float32), "empty": grey[:0],
        "masked": np.ma.masked_equal(grey, 3), "matrix": grey.view(np.matrix),
    }  # fmt: skip
    eval(theirs, names)  # OpenCV accepts it
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        eval(ours, names)


@pytest.mark.parametrize("call, grey, colour", rows("Memory"))
def test_no_call_takes_more_memory_than_the_readme_says(call, grey, colour):
    """Random pixels have the most edges. What tracemalloc counts is the same on every machine."""
    height, width = 2000, 1500
    for channels, bytes_per_pixel in ((1, grey), (3, colour)):
        if bytes_per_pixel == "-":
            continue
        picture = make_picture("random", height, width, channels, seed=1)
        tracemalloc.start()
        try:
            eval(call, {**CALLS, "picture": picture})
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        stated = int(bytes_per_pixel) * height * width
        assert 0.8 * stated < peak <= stated + (8 << 20), f"{peak / (height * width):.1f} bytes per pixel"
