"""What a picture is here, and the checks that every lesson makes of its arguments."""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # (H, W) grey or (H, W, 3) red, green, blue; 0 is black, 255 is full
Parameters = ParamSpec("Parameters")
Number = TypeVar("Number", bound=np.generic)

PLAIN = (np.ndarray, np.memmap)  # a memory-mapped array computes like any other; other subclasses do not
SHOWN = 60  # characters of a wrong value in an error
MAX_SIZE = 4096  # 255 * 4096**2 is the largest window sum that still fits 32 bits


def check_picture(picture: Any, name: str = "picture", channels: tuple[int, ...] = (1, 3)) -> Picture:
    """Return `picture` as a plain array; raise ValueError unless it is a non-empty uint8 array (H, W) or (H, W, 3) with
    one of `channels`, and neither masked, nor a matrix, nor of another class with its own arithmetic."""
    kinds = " or ".join("(H, W)" if count == 1 else f"(H, W, {count})" for count in channels)
    plain = _plain(picture, name, np.uint8, kinds)
    if plain.shape[2:] not in [() if count == 1 else (count,) for count in channels] or plain.ndim < 2:
        raise ValueError(f"{name} must have the shape {kinds}, not {plain.shape}")
    if plain.size == 0:
        raise ValueError(f"{name} is empty: its shape is {plain.shape}")
    return plain


def check_stage(values: Any, name: str, dtype: type[Number], shape: tuple[int, ...] = ()) -> npt.NDArray[Number]:
    """Return the result of an earlier stage as a plain array; raise ValueError unless it is a `dtype` array of `shape`
    or, where none is given, of any (H, W) that is not empty."""
    plain = _plain(values, name, dtype, str(shape or "(H, W)"))
    fits = plain.shape == shape if shape else plain.ndim == 2 and plain.size > 0
    if not fits:
        raise ValueError(f"{name} must have the shape {shape or '(H, W)'}, not {plain.shape}")
    return plain


def _plain(values: Any, name: str, dtype: type[Number], kinds: str) -> npt.NDArray[Number]:
    kind = type(values).__name__
    if isinstance(values, np.ndarray) and type(values) not in PLAIN:
        raise ValueError(f"{name} must be a plain array, not a {kind}: numpy.asarray converts it and drops any mask")
    if not isinstance(values, np.ndarray) or values.dtype != dtype:
        wanted = np.dtype(dtype).name
        raise ValueError(f"{name} must be a {wanted} array {kinds}, not {getattr(values, 'dtype', kind)}")
    return np.asarray(values)


def check_whole(value: Any, name: str, low: int, high: int) -> int:
    """Return `value` as an int; raise ValueError unless it is a whole number from `low` to `high`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, not {_shown(value)}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {number}")
    return number


def check_size(size: Any, odd: bool = False) -> int:
    """Return a window's side as an int; raise ValueError unless it is whole, in range and, if `odd`, odd."""
    side = check_whole(size, "size", 1, MAX_SIZE)
    if odd and side % 2 == 0:
        raise ValueError(f"size must be odd, so that the window has a middle pixel, not {side}")
    return side


def check_number(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float; raise ValueError unless it is finite and from `low` to `high`."""
    try:
        number = float(value) if np.ndim(value) == 0 and not isinstance(value, str | bytes) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise ValueError(f"{name} must be a number, not {_shown(value)}")
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, not {number}")
    if not low <= number <= high:
        limits = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise ValueError(f"{name} must be {limits}, not {number:g}")
    return number


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())  # an array has line breaks
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def channel_by_channel(
    function: Callable[Concatenate[Picture, Parameters], Picture],
) -> Callable[Concatenate[Picture, Parameters], Picture]:
    """Make a function of a grey picture take a colour one too: to a filter, red, green and blue are three pictures."""

    @functools.wraps(function)
    def on_each_channel(picture: Picture, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Picture:
        picture = check_picture(picture)
        if picture.ndim == 2:
            return function(picture, *args, **kwargs)
        return np.dstack([function(picture[..., channel], *args, **kwargs) for channel in range(3)])

    return on_each_channel
