"""What each lesson promises besides OpenCV's bytes."""

import math
import sys
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_basics import border, canny, color, gaussian_blur, gray, mean_blur, median_blur, noise, otsu
from cv_basics.tests.conftest import make_picture, pictures

GREY = make_picture("random", 12, 17, 1, seed=1)
RGB = make_picture("random", 12, 17, 3, seed=1)
NAN = math.nan


class TestBorder:
    def test_reflect_101_does_not_repeat_the_edge(self):
        assert "".join("abcd"[border.reflect_101(index, 4)] for index in range(-4, 8)) == "cdcb" + "abcd" + "cbab"

    def test_replicate_repeats_the_edge(self):
        assert "".join("abcd"[border.replicate(index, 4)] for index in range(-3, 7)) == "aaaabcdddd"

    @given(st.integers(-(10**6), 10**6), st.integers(1, 50))
    def test_both_rules_end_inside_and_leave_the_inside_alone(self, index, length):
        for rule in (border.reflect_101, border.replicate):
            assert 0 <= rule(index, length) < length
            assert rule(index % length, length) == index % length


class TestGaussianKernel:
    @given(st.integers(0, 200).map(lambda half: 2 * half + 1), st.floats(0, 1000))
    def test_weights_are_symmetric_and_add_up_to_256(self, size, sigma):
        kernel = gaussian_blur.gaussian_kernel(size, sigma)
        assert len(kernel) == size
        assert sum(kernel) == 256
        assert kernel == kernel[::-1]

    @given(st.integers(1, 30).map(lambda half: 2 * half + 1), st.floats(0.3, 20))
    def test_weights_are_within_one_step_of_the_textbooks(self, size, sigma):
        """Carrying the error along keeps each outer weight within half a step plus the half that it inherited."""
        outer = size // 2
        kernel = gaussian_blur.gaussian_kernel(size, sigma)[:outer]
        weights = gaussian_blur.gaussian_weights(size, sigma)[:outer]
        assert all(abs(whole - 256 * exact) <= 1 for whole, exact in zip(kernel, weights, strict=True))

    def test_textbook_weights_add_up_to_one(self):
        assert math.isclose(sum(gaussian_blur.gaussian_weights(13, 2)), 1, rel_tol=13 * sys.float_info.epsilon)


class TestNoise:
    @given(pictures(), st.floats(0, 1), st.integers(0, 2**32 - 1))
    def test_loops_equal_numpy(self, picture, amount, seed):
        for loops, numpy in (
            (noise.salt_and_pepper_loops, noise.salt_and_pepper_numpy),
            (noise.gaussian_noise_loops, noise.gaussian_noise_numpy),
        ):
            np.testing.assert_array_equal(loops(picture, amount, seed), numpy(picture, amount, seed))

    @pytest.mark.parametrize("share", [0, 0.05, 0.333, 0.5, 1])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_exactly_the_requested_share_is_hit(self, share, channels):
        picture = np.full((31, 47, channels) if channels == 3 else (31, 47), 128, np.uint8)
        noisy = noise.salt_and_pepper_numpy(picture, share, seed=1).reshape(31, 47, -1)
        hits = (noisy != 128).all(axis=2)
        assert hits.sum() == (noisy != 128).any(axis=2).sum() == round(share * 31 * 47)
        assert abs(int((noisy == 255).sum()) - int((noisy == 0).sum())) <= channels

    def test_the_last_row_and_column_are_hit_as_often_as_others(self):
        """500 pictures of 20 x 20 at a share of 0.1: each row and column gets 1000 hits, with a standard deviation
        of at most sqrt(10000 * 0.1 * 0.9) = 30; being off by more than 5 of them is a chance in a million."""
        picture = np.full((20, 20), 128, np.uint8)
        hits = sum((noise.salt_and_pepper_numpy(picture, 0.1, seed) != 128).astype(int) for seed in range(500))
        for axis in (0, 1):
            assert (abs(hits.sum(axis=axis) - 1000) < 150).all()

    def test_gaussian_noise_has_its_standard_deviation(self):
        """The standard deviation of 40000 values is known to sigma / sqrt(80000): 5 of those, plus rounding's 1/12."""
        picture = np.full((200, 200), 128, np.uint8)
        change = noise.gaussian_noise_numpy(picture, 10, seed=1).astype(int) - 128
        assert abs(change.std() - math.sqrt(100 + 1 / 12)) < 5 * 10 / math.sqrt(80000)
        assert abs(change.mean()) < 5 * 10 / 200

    def test_gaussian_noise_is_clipped_and_not_wrapped(self):
        white = np.full((50, 50), 255, np.uint8)
        assert noise.gaussian_noise_numpy(white, 20, seed=1).min() > 255 - 6 * 20
        black = np.zeros((50, 50), np.uint8)
        assert noise.gaussian_noise_numpy(black, 20, seed=1).max() < 6 * 20

    def test_a_seed_always_gives_the_same_noise(self):
        picture = np.full((2, 5), 100, np.uint8)
        salted = [[255, 100, 255, 100, 0], [100, 255, 100, 100, 0]]
        assert noise.salt_and_pepper_numpy(picture, 0.5, seed=1).tolist() == salted
        assert noise.gaussian_noise_numpy(picture, 10, seed=1)[0].tolist() == [116, 94, 95, 89, 109]

    def test_noise_leaves_its_input_alone(self):
        before = GREY.copy()
        noise.salt_and_pepper_numpy(GREY, 0.5, 1)
        noise.gaussian_noise_numpy(GREY, 20, 1)
        np.testing.assert_array_equal(GREY, before)

    def test_psnr_is_that_of_the_definition_and_symmetric(self):
        black, grey = np.zeros((4, 4), np.uint8), np.full((4, 4), 51, np.uint8)
        assert noise.psnr(black, black) == math.inf
        assert math.isclose(noise.psnr(grey, black), 20 * math.log10(5))  # 255 / 51
        assert noise.psnr(grey, black) == noise.psnr(black, grey)

    def test_median_beats_mean_on_salt_and_pepper_and_loses_on_gaussian_noise(self):
        smooth = make_picture("smooth", 128, 128, 1, seed=1) // 2 + 64
        for noisy, best in (
            (noise.salt_and_pepper_numpy(smooth, 0.05, 1), "median"),
            (noise.gaussian_noise_numpy(smooth, 15, 1), "mean"),
        ):
            mean = noise.psnr(mean_blur.mean_blur_numpy(noisy, 3), smooth)
            median = noise.psnr(median_blur.median_blur_numpy(noisy, 3), smooth)
            assert (median > mean + 3) if best == "median" else (mean > median)


class TestCannyStages:
    @given(pictures(channels=(1,)), st.booleans(), st.integers(0, 1000), st.integers(0, 1000))
    def test_loops_equal_numpy_in_each_stage(self, picture, squared, low, high):
        dx, dy = canny.sobel_loops(picture)
        for ours, other in zip((dx, dy), canny.sobel_numpy(picture), strict=True):
            np.testing.assert_array_equal(ours, other)
        magnitude = canny.magnitude_loops(dx, dy, squared)
        np.testing.assert_array_equal(magnitude, canny.magnitude_numpy(dx, dy, squared))
        kept = canny.suppress_loops(magnitude, dx, dy)
        np.testing.assert_array_equal(kept, canny.suppress_numpy(magnitude, dx, dy))
        edges = canny.hysteresis_loops(magnitude, kept, low, high)
        np.testing.assert_array_equal(edges, canny.hysteresis_numpy(magnitude, kept, low, high))

    def test_sobel_of_a_slope_is_eight_times_it_and_half_of_that_at_the_edges(self):
        """A slope of 3 to the right gives 4 * 2 * 3, and half at the edges, where the edge pixel is repeated."""
        dx, dy = canny.sobel_numpy(np.tile(np.arange(0, 30, 3, dtype=np.uint8), (4, 1)))
        assert dx[:, 1:-1].tolist() == [[24] * 8] * 4
        assert dx[:, [0, -1]].tolist() == [[12, 12]] * 4
        assert not dy.any()

    def test_hysteresis_follows_a_weak_edge_only_from_a_strong_one(self):
        magnitude = np.array([[9, 5, 5, 0, 5, 5], [0, 0, 0, 5, 0, 0], [0] * 6, [5, 5, 5, 5, 5, 5]], np.int32)
        edges = canny.hysteresis_numpy(magnitude, magnitude > 0, low=4, high=8)
        assert (edges > 0).tolist() == [
            [True, True, True, False, True, True],
            [False] * 3 + [True] + [False] * 2,
            [False] * 6,
            [False] * 6,
        ]


class TestOtsu:
    def test_two_levels_are_split_at_the_lower_one(self):
        picture = np.array([[10, 10, 200], [200, 200, 200]], np.uint8)
        threshold, binary = otsu.otsu_numpy(picture)
        assert threshold == 10
        assert binary.tolist() == [[0, 0, 255], [255, 255, 255]]

    @given(pictures(channels=(1,)))
    def test_variance_is_that_of_the_definition(self, picture):
        """Against the definition in float64: each of at most 256 updates rounds with a relative error of a few eps."""
        variances = otsu.between_class_variance(otsu.histogram_numpy(picture))
        for threshold in range(0, 256, 15):
            dark, bright = picture[picture <= threshold], picture[picture > threshold]
            expected = 0.0
            if dark.size and bright.size:
                share = dark.size / picture.size
                expected = share * (1 - share) * (dark.mean() - bright.mean()) ** 2
            assert abs(variances[threshold] - expected) <= 256 * 8 * sys.float_info.epsilon * 255**2


def lines_run(function, *arguments) -> int:
    """The number of lines of this package that a call runs; in NumPy's own Python it varies from call to call."""
    count = 0
    package = str(Path(gray.__file__).parent)

    def trace(frame: FrameType, event: str, argument: object):
        nonlocal count
        count += event == "line" and frame.f_code.co_filename.startswith(package)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


def canny_without_hysteresis(picture):
    dx, dy = canny.sobel_numpy(picture)
    canny.suppress_numpy(canny.magnitude_numpy(dx, dy), dx, dy)


@pytest.mark.parametrize(
    "function, arguments, channels",
    [
        (gray.gray_numpy, (), 3),
        (color.split_numpy, (), 3),
        (color.rgb_to_yuv_numpy, (), 3),
        (color.yuv_to_rgb_numpy, (), 3),
        (mean_blur.mean_blur_numpy, (5,), 1),
        (median_blur.median_blur_numpy, (5,), 1),
        (gaussian_blur.gaussian_blur_numpy, (5, 1.4), 1),
        (canny_without_hysteresis, (), 1),
        (otsu.otsu_numpy, (), 1),
        (noise.salt_and_pepper_numpy, (0.1, 1), 1),
        (noise.gaussian_noise_numpy, (10, 1), 1),
    ],
)
def test_numpy_versions_have_no_loop_over_pixels(function, arguments, channels):
    """16 times as many pixels in the same number of rows and bands run the same number of lines."""
    counts = [
        lines_run(function, make_picture("random", 64, width, channels, seed=1), *arguments) for width in (20, 320)
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: gray.gray_loops(GREY), "picture must have the shape"),
        (lambda: gray.gray_numpy(RGB.astype(float)), "picture must be a uint8 array"),
        (lambda: gray.gray_numpy([[1, 2]]), "picture must be a uint8 array"),
        (lambda: gray.gray_numpy(np.zeros((0, 4, 3), np.uint8)), "picture is empty"),
        (lambda: gray.gray_numpy(np.zeros((4, 4, 4), np.uint8)), "picture must have the shape"),
        (lambda: otsu.otsu_numpy(RGB), "picture must have the shape"),
        (lambda: otsu.otsu_loops(np.zeros(4, np.uint8)), "picture must have the shape"),
        (lambda: color.merge_numpy(GREY, GREY, GREY[1:]), "blue must have the shape of red"),
        (lambda: color.merge_loops(GREY, RGB, GREY), "green must have the shape"),
        (lambda: mean_blur.mean_blur_numpy(GREY, 0), "size must be between 1"),
        (lambda: mean_blur.mean_blur_loops(GREY, -3), "size must be between 1"),
        (lambda: mean_blur.mean_blur_numpy(GREY, 4097), "size must be between 1 and 4096"),
        (lambda: mean_blur.mean_blur_numpy(GREY, 2.5), "size must be a whole number"),
        (lambda: mean_blur.mean_blur_numpy(GREY, NAN), "size must be a whole number"),
        (lambda: median_blur.median_blur_numpy(GREY, 4), "size must be odd"),
        (lambda: median_blur.median_blur_loops(RGB, 4), "size must be odd"),
        (lambda: gaussian_blur.gaussian_blur_numpy(GREY, 4, 1.4), "size must be odd"),
        (lambda: gaussian_blur.gaussian_blur_loops(GREY, 0, 0), "sigma must be above 0 if size is 0"),
        (lambda: gaussian_blur.gaussian_blur_numpy(GREY, 5, -1), "sigma must be at least 0"),
        (lambda: gaussian_blur.gaussian_blur_numpy(GREY, 5, NAN), "sigma must be a finite number"),
        (lambda: gaussian_blur.gaussian_blur_numpy(GREY, 0, 1e9), "sigma 1e"),
        (lambda: canny.canny_numpy(GREY, NAN, 1), "low must be a finite number"),
        (lambda: canny.canny_loops(GREY, 1, math.inf), "high must be a finite number"),
        (lambda: canny.canny_numpy(GREY, "a", 1), "low must be a number"),
        (lambda: canny.sobel_numpy(RGB), "picture must have the shape"),
        (lambda: noise.salt_and_pepper_numpy(GREY, 1.01, 1), "share must be between 0 and 1"),
        (lambda: noise.salt_and_pepper_loops(GREY, -0.1, 1), "share must be between 0 and 1"),
        (lambda: noise.salt_and_pepper_numpy(GREY, NAN, 1), "share must be a finite number"),
        (lambda: noise.gaussian_noise_numpy(GREY, -1, 1), "sigma must be at least 0"),
        (lambda: noise.gaussian_noise_loops(GREY, 1, -1), "seed must be between 0"),
        (lambda: noise.psnr(GREY, GREY[1:]), "reference must have the shape of picture"),
    ],
)
def test_a_bad_argument_is_named_in_one_line(call, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        call()
    assert "\n" not in str(caught.value)
