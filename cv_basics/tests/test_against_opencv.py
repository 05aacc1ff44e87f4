"""The loops, NumPy and OpenCV give the same bytes.

Two cases can't be made equal: `test_otsu_with_ipp_differs_only_between_equals` and
`test_canny_thresholds_beyond_32_bits_differ` say which, by how much, and why.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cv_basics import canny, color, gaussian_blur, gray, mean_blur, median_blur, otsu
from cv_basics.picture import Picture
from cv_basics.tests.conftest import PICTURE_FILES, make_picture, pictures

LARGE = 40  # the loops skip windows from this side on: one of 400 x 400 would take them minutes
TIED = np.array([[128, 147, 166]], np.uint8)  # thresholds 128 and 147 split it equally well
thresholds = st.floats(-50, 3000)


def grey_of(picture: Picture) -> Picture:
    return picture if picture.ndim == 2 else gray.gray_numpy(picture)


def rgb_of(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.dstack([picture] * 3)


@contextmanager
def without_ipp() -> Iterator[None]:
    """Let OpenCV use its own code, whose source is open."""
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        yield
    finally:
        cv2.ipp.setUseIPP(before)


def exact_variance(counts: list[int], threshold: int) -> Fraction:
    """Otsu's between-class variance of a histogram, without any rounding."""
    dark, pixels = sum(counts[: threshold + 1]), sum(counts)
    if dark in (0, pixels):
        return Fraction(0)
    dark_sum = sum(level * count for level, count in enumerate(counts[: threshold + 1]))
    bright_sum = sum(level * count for level, count in enumerate(counts)) - dark_sum
    distance = Fraction(dark_sum, dark) - Fraction(bright_sum, pixels - dark)
    return Fraction(dark * (pixels - dark), pixels**2) * distance**2


@pytest.fixture(scope="module")
def colours() -> Picture:
    numbers = np.arange(2**24, dtype=np.uint32).view(np.uint8).reshape(4096, 4096, 4)
    return np.ascontiguousarray(numbers[..., :3])


@pytest.fixture(scope="module")
def large() -> Picture:
    return make_picture("smooth", 3000, 4000, 3, seed=1) ^ make_picture("random", 3000, 4000, 3, seed=2) >> 4


def test_there_are_pictures_to_compare_on():
    assert len(PICTURE_FILES) >= 40


class TestEqualOnPhotographs:
    def test_grey(self, photograph):
        bgr = rgb_of(photograph)[..., ::-1].copy()
        np.testing.assert_array_equal(gray.gray_numpy(rgb_of(photograph)), cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))

    def test_yuv_and_back(self, photograph):
        yuv = color.rgb_to_yuv_numpy(rgb_of(photograph))
        bgr = rgb_of(photograph)[..., ::-1].copy()
        np.testing.assert_array_equal(yuv, cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV))
        np.testing.assert_array_equal(color.yuv_to_rgb_numpy(yuv)[..., ::-1], cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR))

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 16, 17, 18, 31, 64, 501])
    def test_mean_blur(self, photograph, size):
        np.testing.assert_array_equal(mean_blur.mean_blur_numpy(photograph, size), cv2.blur(photograph, (size, size)))

    @pytest.mark.parametrize("size", [1, 3, 5, 7, 11])
    def test_median_blur(self, photograph, size):
        np.testing.assert_array_equal(median_blur.median_blur_numpy(photograph, size), cv2.medianBlur(photograph, size))

    @pytest.mark.parametrize("size, sigma", [(3, 0), (5, 1.4), (9, 0), (11, 0), (0, 2), (0, 6.3), (101, 20)])
    def test_gaussian_blur(self, photograph, size, sigma):
        expected = cv2.GaussianBlur(photograph, (size, size), sigma)
        np.testing.assert_array_equal(gaussian_blur.gaussian_blur_numpy(photograph, size, sigma), expected)

    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize("low, high", [(50, 150), (150, 50), (10.5, 300.2), (0, 0)])
    def test_canny(self, photograph, low, high, squared):
        expected = cv2.Canny(photograph, low, high, L2gradient=squared)
        np.testing.assert_array_equal(canny.canny_numpy(photograph, low, high, squared), expected)

    def test_otsu(self, photograph):
        threshold, binary = otsu.otsu_numpy(grey_of(photograph))
        expected_threshold, expected = cv2.threshold(grey_of(photograph), 0, 255, cv2.THRESH_OTSU)
        assert threshold == expected_threshold
        np.testing.assert_array_equal(binary, expected)


class TestEqualOnAnyPicture:
    """Hypothesis chooses the picture, down to 1 x 1, 1 x N and 2 x 2, and the options."""

    @given(pictures(channels=(3,)))
    def test_grey(self, picture):
        expected = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        np.testing.assert_array_equal(gray.gray_loops(picture), expected)
        np.testing.assert_array_equal(gray.gray_numpy(picture), expected)

    @given(pictures(channels=(3,)))
    def test_yuv_and_back(self, picture):
        yuv = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV)
        np.testing.assert_array_equal(color.rgb_to_yuv_loops(picture), yuv)
        np.testing.assert_array_equal(color.rgb_to_yuv_numpy(picture), yuv)
        back = cv2.cvtColor(picture, cv2.COLOR_YUV2RGB)
        np.testing.assert_array_equal(color.yuv_to_rgb_loops(picture), back)
        np.testing.assert_array_equal(color.yuv_to_rgb_numpy(picture), back)

    @given(pictures(channels=(3,)))
    def test_split_and_merge(self, picture):
        channels = cv2.split(picture)
        for split, merge in ((color.split_loops, color.merge_loops), (color.split_numpy, color.merge_numpy)):
            for ours, theirs in zip(split(picture), channels, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            np.testing.assert_array_equal(merge(*split(picture)), picture)

    @given(pictures(), st.one_of(st.integers(1, 12), st.integers(13, 400)))
    @example(make_picture("two-valued", 9, 13, 3, seed=1), 18)
    @example(make_picture("two-valued", 2, 9, 1, seed=1), 2896)  # the last area that OpenCV sums in 32 bits
    @example(make_picture("two-valued", 2, 9, 1, seed=1), 2897)  # the first one in float64
    def test_mean_blur(self, picture, size):
        expected = cv2.blur(picture, (size, size))
        np.testing.assert_array_equal(mean_blur.mean_blur_numpy(picture, size), expected)
        if size < LARGE:
            np.testing.assert_array_equal(mean_blur.mean_blur_loops(picture, size), expected)

    @given(pictures(), st.integers(0, 20).map(lambda half: 2 * half + 1))
    @example(make_picture("random", 3, 5, 1, seed=1), 257)  # more than 2**16 pixels in a window
    def test_median_blur(self, picture, size):
        expected = cv2.medianBlur(picture, size)
        np.testing.assert_array_equal(median_blur.median_blur_numpy(picture, size), expected)
        if size < LARGE // 2:
            np.testing.assert_array_equal(median_blur.median_blur_loops(picture, size), expected)

    @given(
        pictures(),
        st.one_of(st.integers(0, 5), st.integers(6, 100)).map(lambda half: 2 * half + 1),
        st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0.5, 10), st.floats(10, 1e6)),
    )
    @example(make_picture("random", 5, 5, 1, seed=1), 3, 1e-200)  # sigma**2 underflows
    @example(make_picture("random", 5, 5, 1, seed=1), 3, 1e200)  # sigma**2 overflows
    def test_gaussian_blur(self, picture, size, sigma):
        expected = cv2.GaussianBlur(picture, (size, size), sigma)
        np.testing.assert_array_equal(gaussian_blur.gaussian_blur_numpy(picture, size, sigma), expected)
        if size < LARGE // 2:
            np.testing.assert_array_equal(gaussian_blur.gaussian_blur_loops(picture, size, sigma), expected)

    @given(pictures(), st.floats(0.01, 20))
    def test_gaussian_blur_that_chooses_its_size(self, picture, sigma):
        expected = cv2.GaussianBlur(picture, (0, 0), sigma)
        np.testing.assert_array_equal(gaussian_blur.gaussian_blur_numpy(picture, 0, sigma), expected)

    @given(pictures(), thresholds, thresholds, st.booleans())
    @example(make_picture("two-valued", 20, 20, 3, seed=1), 2039.0, 2040.0, False)
    @example(make_picture("two-valued", 20, 20, 1, seed=1), 32767.0, 40000.0, True)
    def test_canny(self, picture, low, high, squared):
        expected = cv2.Canny(picture, low, high, L2gradient=squared)
        np.testing.assert_array_equal(canny.canny_loops(picture, low, high, squared), expected)
        np.testing.assert_array_equal(canny.canny_numpy(picture, low, high, squared), expected)

    @given(pictures(channels=(1,)))
    @example(TIED)
    def test_otsu(self, picture):
        with without_ipp():
            expected_threshold, expected = cv2.threshold(picture, 0, 255, cv2.THRESH_OTSU)
        for function in (otsu.otsu_loops, otsu.otsu_numpy):
            threshold, binary = function(picture)
            assert threshold == expected_threshold
            np.testing.assert_array_equal(binary, expected)

    @given(pictures(channels=(1,)))
    @example(TIED)
    def test_otsu_with_ipp_differs_only_between_equals(self, picture):
        """On x86-64 OpenCV leaves the threshold to Intel's IPP, whose source is closed. Of two equally good
        thresholds, as for the three levels 128, 147 and 166, it may choose the other one, depending on its release.
        OpenCV's own code chooses ours."""
        counts = otsu.histogram_numpy(picture).tolist()
        theirs = int(cv2.threshold(picture, 0, 255, cv2.THRESH_OTSU)[0])
        assert exact_variance(counts, otsu.otsu_numpy(picture)[0]) == exact_variance(counts, theirs)


class TestEqualOnAllColours:
    """Each of the 2**24 colours, in one picture of 4096 x 4096."""

    def test_grey(self, colours):
        assert np.array_equal(gray.gray_numpy(colours), cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))

    def test_rgb_to_yuv(self, colours):
        assert np.array_equal(color.rgb_to_yuv_numpy(colours), cv2.cvtColor(colours, cv2.COLOR_RGB2YUV))

    def test_yuv_to_rgb(self, colours):
        assert np.array_equal(color.yuv_to_rgb_numpy(colours), cv2.cvtColor(colours, cv2.COLOR_YUV2RGB))


class TestEqualOnLargePictures:
    """4000 x 3000: more than one band, more than 2**23 pixels, several threads in OpenCV."""

    def test_mean_blur(self, large):
        assert np.array_equal(mean_blur.mean_blur_numpy(large, 7), cv2.blur(large, (7, 7)))

    def test_median_blur(self, large):
        assert np.array_equal(median_blur.median_blur_numpy(large[..., 0], 3), cv2.medianBlur(large[..., 0].copy(), 3))

    def test_gaussian_blur(self, large):
        assert np.array_equal(gaussian_blur.gaussian_blur_numpy(large, 7, 1.4), cv2.GaussianBlur(large, (7, 7), 1.4))

    def test_canny(self, large):
        assert np.array_equal(canny.canny_numpy(large, 100, 300), cv2.Canny(large, 100, 300))

    @pytest.mark.parametrize("odd_one", [0, 200])
    def test_otsu_where_a_class_is_one_pixel_of_twelve_million(self, odd_one):
        """Its share, 8e-8, is below OpenCV's 2**-23: the class counts as empty, and the threshold becomes 0."""
        picture = np.full((3000, 4000), 100, np.uint8)
        picture[7, 9] = odd_one
        assert otsu.otsu_numpy(picture)[0] == cv2.threshold(picture, 0, 255, cv2.THRESH_OTSU)[0] == 0


def test_canny_thresholds_beyond_32_bits_differ():
    """OpenCV turns |dx| + |dy| thresholds into 32-bit integers. From 2**31 on they overflow, in 4.10, 4.13 and 5.0 on
    x86-64 to a negative number, and every local maximum becomes an edge, as with a threshold of 0. Here a threshold
    that no magnitude reaches leaves no edge. Squared thresholds are first limited to 32767, and equal."""
    picture = make_picture("random", 20, 20, 1, seed=1)
    assert not canny.canny_numpy(picture, 1e10, 1e11).any()
    assert np.array_equal(cv2.Canny(picture, 1e10, 1e11), cv2.Canny(picture, 0, 0))
    assert np.array_equal(canny.canny_numpy(picture, 1e10, 1e11, True), cv2.Canny(picture, 1e10, 1e11, L2gradient=True))
