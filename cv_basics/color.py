"""Lesson 2, colour: the channels one by one, and brightness separated from colour.

    Y = 0.299 R + 0.587 G + 0.114 B        R = Y + 1.140 (V - 128)
    U = 0.492 (B - Y) + 128                G = Y - 0.395 (U - 128) - 0.581 (V - 128)
    V = 0.877 (R - Y) + 128                B = Y + 2.032 (U - 128)

Y is how bright a pixel is, U how much bluer and V how much redder than grey (ITU-R BT.601, analogue PAL scaling).
Both directions round, and V does not fit into 0..255, so RGB to YUV and back changes some colours.
"""

import numpy as np

from cv_basics.bands import by_bands, planes
from cv_basics.picture import Picture, check_picture

# The factors times 2**14, as in OpenCV's color_yuv.simd.hpp
SHIFT = 14
RED_TO_Y, GREEN_TO_Y, BLUE_TO_Y = 4899, 9617, 1868
BLUE_TO_U, RED_TO_V = 8061, 14369
V_TO_RED, U_TO_GREEN, V_TO_GREEN, U_TO_BLUE = 18678, -6472, -9519, 33292
HALF = 1 << (SHIFT - 1)  # added before the shift, which rounds down, so that the result is rounded to nearest
MIDDLE = 128  # U and V of grey
OFFSET = (MIDDLE << SHIFT) + HALF


def split_loops(picture: Picture) -> tuple[Picture, Picture, Picture]:
    """The red, green and blue (H, W) of an RGB picture (H, W, 3). ValueError if `picture` is not RGB."""
    picture = check_picture(picture, channels=(3,))
    height, width, _ = picture.shape
    red, green, blue = (np.empty((height, width), np.uint8) for _ in range(3))
    for y in range(height):
        for x in range(width):
            red[y, x], green[y, x], blue[y, x] = picture[y, x]
    return red, green, blue


def split_numpy(picture: Picture) -> tuple[Picture, Picture, Picture]:
    """The red, green and blue (H, W) of an RGB picture (H, W, 3). ValueError if `picture` is not RGB."""
    picture = check_picture(picture, channels=(3,))
    return picture[..., 0].copy(), picture[..., 1].copy(), picture[..., 2].copy()


def merge_loops(red: Picture, green: Picture, blue: Picture) -> Picture:
    """An RGB picture (H, W, 3) of three channels (H, W). ValueError if their shapes differ."""
    red, green, blue = _check_channels(red, green, blue)
    height, width = red.shape
    picture = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            picture[y, x] = red[y, x], green[y, x], blue[y, x]
    return picture


def merge_numpy(red: Picture, green: Picture, blue: Picture) -> Picture:
    """An RGB picture (H, W, 3) of three channels (H, W). ValueError if their shapes differ."""
    red, green, blue = _check_channels(red, green, blue)
    return np.stack([red, green, blue], axis=-1)


def rgb_to_yuv_loops(picture: Picture) -> Picture:
    """Y, U and V (H, W, 3) of an RGB picture (H, W, 3), pixel by pixel. ValueError if `picture` is not RGB."""
    picture = check_picture(picture, channels=(3,))
    height, width, _ = picture.shape
    pixels = picture.tolist()
    yuv = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            red, green, blue = pixels[y][x]
            luma = (RED_TO_Y * red + GREEN_TO_Y * green + BLUE_TO_Y * blue + HALF) >> SHIFT
            u = (BLUE_TO_U * (blue - luma) + OFFSET) >> SHIFT
            v = (RED_TO_V * (red - luma) + OFFSET) >> SHIFT
            yuv[y, x] = luma, u, _clamp(v)
    return yuv


@by_bands
def rgb_to_yuv_numpy(picture: Picture) -> Picture:
    """Y, U and V (H, W, 3) of an RGB picture (H, W, 3). ValueError if `picture` is not RGB."""
    red, green, blue = planes(picture, np.int32)
    luma = (RED_TO_Y * red + GREEN_TO_Y * green + BLUE_TO_Y * blue + HALF) >> SHIFT
    yuv = np.empty_like(picture)
    yuv[..., 0] = luma
    yuv[..., 1] = (BLUE_TO_U * (blue - luma) + OFFSET) >> SHIFT
    yuv[..., 2] = ((RED_TO_V * (red - luma) + OFFSET) >> SHIFT).clip(0, 255)
    return yuv


def yuv_to_rgb_loops(picture: Picture) -> Picture:
    """The RGB picture (H, W, 3) of Y, U and V (H, W, 3), pixel by pixel. ValueError if `picture` is not (H, W, 3)."""
    picture = check_picture(picture, channels=(3,))
    height, width, _ = picture.shape
    pixels = picture.tolist()
    rgb = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            luma, u, v = pixels[y][x]
            u -= MIDDLE
            v -= MIDDLE
            red = luma + ((V_TO_RED * v + HALF) >> SHIFT)
            green = luma + ((U_TO_GREEN * u + V_TO_GREEN * v + HALF) >> SHIFT)
            blue = luma + ((U_TO_BLUE * u + HALF) >> SHIFT)
            rgb[y, x] = _clamp(red), _clamp(green), _clamp(blue)
    return rgb


@by_bands
def yuv_to_rgb_numpy(picture: Picture) -> Picture:
    """The RGB picture (H, W, 3) of Y, U and V (H, W, 3). ValueError if `picture` is not (H, W, 3)."""
    luma, u, v = planes(picture, np.int32)
    u -= MIDDLE
    v -= MIDDLE
    rgb = np.empty_like(picture)
    rgb[..., 0] = (luma + ((V_TO_RED * v + HALF) >> SHIFT)).clip(0, 255)
    rgb[..., 1] = (luma + ((U_TO_GREEN * u + V_TO_GREEN * v + HALF) >> SHIFT)).clip(0, 255)
    rgb[..., 2] = (luma + ((U_TO_BLUE * u + HALF) >> SHIFT)).clip(0, 255)
    return rgb


def _clamp(value: int) -> int:
    return min(max(value, 0), 255)


def _check_channels(red: Picture, green: Picture, blue: Picture) -> list[Picture]:
    channels = []
    for name, channel in (("red", red), ("green", green), ("blue", blue)):
        channels.append(check_picture(channel, name, channels=(1,)))
        if channel.shape != red.shape:
            raise ValueError(f"{name} must have the shape of red, {red.shape}, not {channel.shape}")
    return channels
