"""What a picture is here, and the checks that every lesson makes at its door."""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # (H, W) grey or (H, W, 3) red, green, blue; 0 is black, 255 is full
Parameters = ParamSpec("Parameters")

MAX_SIZE = 4096  # 255 * 4096**2 is the largest window sum that still fits 32 bits


def check_picture(picture: Any, name: str = "picture", channels: tuple[int, ...] = (1, 3)) -> None:
    """Raise ValueError unless `picture` is a non-empty uint8 array (H, W) or (H, W, 3) with one of `channels`."""
    kinds = " or ".join("(H, W)" if count == 1 else f"(H, W, {count})" for count in channels)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        found = getattr(picture, "dtype", type(picture).__name__)
        raise ValueError(f"{name} must be a uint8 array {kinds}, not {found}")
    if picture.shape[2:] not in [() if count == 1 else (count,) for count in channels] or picture.ndim < 2:
        raise ValueError(f"{name} must have the shape {kinds}, not {picture.shape}")
    if picture.size == 0:
        raise ValueError(f"{name} is empty: its shape is {picture.shape}")


def check_whole(value: Any, name: str, low: int, high: int) -> int:
    """Return `value` as an int; raise ValueError unless it is a whole number from `low` to `high`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {number}")
    return number


def check_size(size: Any, odd: bool = False) -> int:
    """Return a window's side as an int; raise ValueError unless it is whole, in range and, if asked, odd."""
    side = check_whole(size, "size", 1, MAX_SIZE)
    if odd and side % 2 == 0:
        raise ValueError(f"size must be odd, so that the window has a middle pixel, not {side}")
    return side


def check_number(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float; raise ValueError unless it is finite and from `low` to `high`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, not {number}")
    if not low <= number <= high:
        limits = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise ValueError(f"{name} must be {limits}, not {number:g}")
    return number


def channel_by_channel(
    function: Callable[Concatenate[Picture, Parameters], Picture],
) -> Callable[Concatenate[Picture, Parameters], Picture]:
    """Let a function of a grey picture take a colour one too: to a filter, red, green and blue are three pictures."""

    @functools.wraps(function)
    def on_each_channel(picture: Picture, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Picture:
        check_picture(picture)
        if picture.ndim == 2:
            return function(picture, *args, **kwargs)
        return np.dstack([function(picture[..., channel], *args, **kwargs) for channel in range(3)])

    return on_each_channel
