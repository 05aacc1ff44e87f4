"""Subclasses of NumPy's arrays: every function computes with them correctly, or rejects them with a one-line error."""

import inspect

import numpy as np
import pytest

from cv_basics import canny, color, gaussian_blur, gray, mean_blur, median_blur, noise, otsu
from cv_basics.tests.conftest import make_picture

GREY = make_picture("random", 9, 12, 1, seed=1)
RGB = make_picture("random", 9, 12, 3, seed=1)
DX, DY = canny.sobel_numpy(GREY)
MAGNITUDE = canny.magnitude_numpy(DX, DY)
KEPT = canny.suppress_numpy(MAGNITUDE, DX, DY)

ARGUMENTS = {
    "gray": (RGB,),
    "split": (RGB,),
    "merge": (GREY, GREY, GREY),
    "rgb_to_yuv": (RGB,),
    "yuv_to_rgb": (RGB,),
    "mean_blur": (GREY, 3),
    "median_blur": (GREY, 3),
    "gaussian_blur": (GREY, 3, 1),
    "sobel": (GREY,),
    "magnitude": (DX, DY),
    "suppress": (MAGNITUDE, DX, DY),
    "hysteresis": (MAGNITUDE, KEPT, 50, 150),
    "canny": (GREY, 50, 150),
    "histogram": (GREY,),
    "otsu": (GREY,),
    "salt_and_pepper": (GREY, 0.2, 1),
    "gaussian_noise": (GREY, 20, 1),
}
FUNCTIONS = [
    function
    for module in (canny, color, gaussian_blur, gray, mean_blur, median_blur, noise, otsu)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if name.endswith(("_loops", "_numpy")) and function.__module__ == module.__name__
]
CALLS = [
    *((function, ARGUMENTS[function.__name__.rsplit("_", 1)[0]]) for function in FUNCTIONS),
    (noise.psnr, (GREY, RGB[..., 0])),
    (otsu.between_class_variance, (otsu.histogram_numpy(GREY),)),
    (otsu.otsu_threshold, (otsu.histogram_numpy(GREY),)),
]
ONE_ARRAY_REPLACED = [
    pytest.param(function, arguments, index, id=f"{function.__name__}-{name}")
    for function, arguments in CALLS
    for index, (name, argument) in enumerate(zip(inspect.signature(function).parameters, arguments))
    if isinstance(argument, np.ndarray)
]


class Named(np.ndarray):
    """A user's own subclass."""


def on_disk(array, folder):
    mapped = np.memmap(folder / "array", array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    return mapped


def parts(result):
    return result if isinstance(result, (tuple, list)) else (result,)


def test_both_variants_of_every_algorithm_are_tested():
    assert len(FUNCTIONS) == 2 * len(ARGUMENTS)


@pytest.mark.parametrize("function, arguments, index", ONE_ARRAY_REPLACED)
@pytest.mark.parametrize(
    "change",
    [
        np.ma.masked_array,
        lambda array: np.ma.masked_array(array, mask=True),
        lambda array: array.reshape(len(array), -1).view(np.matrix),
        lambda array: array.view(np.recarray),
        lambda array: array.view(Named),
    ],
    ids=["masked", "all masked", "matrix", "recarray", "own"],
)
def test_an_array_of_another_class_is_rejected_by_name(function, arguments, index, change):
    changed = list(arguments)
    changed[index] = change(arguments[index])
    name = list(inspect.signature(function).parameters)[index]
    kind = type(changed[index]).__name__
    with pytest.raises(ValueError, match=f"^{name} must be a plain array, not a {kind}: [^\n]*$"):
        function(*changed)


@pytest.mark.parametrize("function, arguments, index", ONE_ARRAY_REPLACED)
def test_a_memory_mapped_array_gives_what_a_plain_one_gives(function, arguments, index, tmp_path):
    changed = list(arguments)
    changed[index] = on_disk(arguments[index], tmp_path)
    for found, expected in zip(parts(function(*changed)), parts(function(*arguments)), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert type(found) is type(expected)


@pytest.mark.parametrize("function, arguments, index", ONE_ARRAY_REPLACED)
def test_an_array_of_another_type_or_shape_is_rejected_by_name(function, arguments, index):
    name = list(inspect.signature(function).parameters)[index]
    for wrong in (arguments[index].astype(np.float64), arguments[index].ravel()[:5], arguments[index].tolist(), None):
        changed = list(arguments)
        changed[index] = wrong
        with pytest.raises(ValueError, match=f"^{name} must "):
            function(*changed)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: canny.magnitude_numpy(DX, DY[1:]), "dy must have the shape"),
        (lambda: canny.suppress_numpy(MAGNITUDE[1:], DX, DY), "magnitude must have the shape"),
        (lambda: canny.hysteresis_loops(MAGNITUDE, KEPT[1:], 1, 2), "kept must have the shape"),
        (lambda: canny.hysteresis_numpy(MAGNITUDE, KEPT, np.nan, 2), "low must be a finite number"),
        (lambda: canny.sobel_numpy(GREY[:0]), "picture is empty"),
        (lambda: canny.magnitude_loops(DX[:0], DY[:0]), "dx must have the shape"),
        (lambda: otsu.otsu_threshold(np.zeros(256, np.int64)), "histogram must count at least one pixel"),
        (lambda: otsu.otsu_threshold(np.full(256, -1)), "histogram must count at least one pixel"),
        (lambda: gaussian_blur.gaussian_weights(0, 1), "size must be between 1"),
        (lambda: gaussian_blur.gaussian_weights(3, 0), "sigma must be above 0"),
        (lambda: gaussian_blur.gaussian_weights(3, np.nan), "sigma must be a finite number"),
        (lambda: mean_blur.mean_blur_numpy(GREY, np.zeros((30, 30))), "size must be a whole number, not array"),
        (lambda: canny.canny_numpy(GREY, np.zeros((30, 30)), 1), "low must be a number, not array"),
        (lambda: canny.canny_numpy(GREY, GREY[:1, :1].view(np.matrix), 1), "low must be a number, not matrix"),
        (lambda: canny.canny_numpy(GREY, 1, 10**400), "high must be a number, not 1000"),
        (lambda: canny.canny_numpy(GREY, "50", 150), "low must be a number, not '50'"),
    ],
)
def test_a_wrong_stage_or_number_is_rejected_by_name(call, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        call()
    assert "\n" not in str(caught.value)
