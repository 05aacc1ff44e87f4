"""Figures of fewer and of smaller multiplications: Winograd's tile, an 8-bit scale, and a scale for each channel."""

import numpy as np

from figures.sketch import Sketch, empty
from shared_weights import scales, sets
from shared_weights.quantised import EPSILON, convolutions

KERNEL, LARGEST_TILE = 3, 4
SET, VALUE = "cifar10", "maxpool"  # the weight set and the value whose scale is drawn
SAMPLE = 5.0  # a number that is shown as a byte


def multiplications(tile: int) -> int:
    """Multiplications of F(tile x tile, 3x3) for a tile of output pixels, of one channel and one kernel."""
    return (tile + KERNEL - 1) ** 2


def winograd() -> Sketch:
    """From a patch and a kernel to a tile by products point by point; and how many there are for the same pixels."""
    products = multiplications(LARGEST_TILE)
    page = Sketch(f"Winograd: {products} multiplications, not {LARGEST_TILE**2 * KERNEL**2}", 446)
    side, patch = 15, LARGEST_TILE + KERNEL - 1
    wide = patch * side
    for top, said, size, fill, edge, letter in (
        (78, "patch", patch, "pale blue", "blue", "V"),
        (206, "kernel", KERNEL, "pale orange", "orange", "U"),
    ):
        shift = (patch - size) * side / 2
        page.text(16 + wide / 2, top - 16, f"{said} {size}x{size}")
        page.grid(16 + shift, top + shift, side, empty(size, size), fill, edge)
        page.arrow((116, top + wide / 2), (150, top + wide / 2))
        page.text(160 + wide / 2, top - 16, f"{letter}: its values")
        page.grid(160, top, side, empty(patch, patch), fill, edge)
    page.frame(16 + side, 78 + side, LARGEST_TILE * side, LARGEST_TILE * side, "green")
    middle = 78 + 64 + wide / 2
    page.arrow((256, 78 + wide / 2), (294, middle - 20))
    page.arrow((256, 206 + wide / 2), (294, middle + 20))
    page.text(300 + wide / 2, middle - wide / 2 - 16, "M = U · V")
    page.grid(300, middle - wide / 2, side, empty(patch, patch), "pale red", "red")
    page.arrow((398, middle), (426, middle))
    page.text(434 + 2 * side, middle - wide / 2 - 16, f"tile {LARGEST_TILE}x{LARGEST_TILE}")
    page.grid(434, middle - 2 * side, side, empty(LARGEST_TILE, LARGEST_TILE), "pale green", "green")
    page.text(300 + wide / 2, middle + wide / 2 + 27, f"{products} products,\ncell by cell", "quiet")
    bars(page, 344)
    return page


def bars(page: Sketch, top: float) -> None:
    """The multiplications for 4 x 4 pixels, of one channel and one kernel: directly, by small tiles, by a large one."""
    pixels = LARGEST_TILE**2
    rows = {"directly": pixels * KERNEL**2}
    rows |= {f"F({tile}x{tile})": pixels // tile**2 * multiplications(tile) for tile in (2, LARGEST_TILE)}
    page.text(16, top - 20, f"multiplications for {pixels} pixels", "quiet", align="left")
    for number, (said, amount) in enumerate(rows.items()):
        y = top + 32 * number
        page.text(16, y + 11, said, align="left")
        colour = "orange" if number == 0 else "green"
        page.box(96, y, amount * 2.4, 22, f"pale {colour}", colour)
        page.text(96 + amount * 2.4 + 10, y + 11, str(amount), align="left", bold=True)


def scale() -> Sketch:
    """Which byte stands for which number, with both ends where it saturates."""
    known = scales.read(sets.find(SET))[VALUE]
    step, top = float(known.scale), 255
    page = Sketch("A byte stands for a number, in steps of the scale", 380)
    least, most, left, right, bottom, high = -5.0, 18.0, 60, 500, 320, 84

    def at(value: float, byte: float) -> tuple[float, float]:
        return left + (value - least) / (most - least) * (right - left), bottom - byte / top * (bottom - high)

    full = top * step
    page.text(16, 54, f"the byte (values of {VALUE}, a scale of {step:.4f})", "quiet", align="left")
    for byte in (0, top):
        page.line(at(least, byte), at(most, byte))
        page.text(left - 8, at(least, byte)[1], str(byte), "quiet", align="right")
    for value in (0, SAMPLE, 10, full):
        page.text(at(value, 0)[0], bottom + 18, f"{value:.3g}", "quiet")
    page.line(at(least, 0), at(0, 0), "red", 4)
    page.line(at(0, 0), at(full, top), "blue", 4)
    page.line(at(full, top), at(most, top), "red", 4)
    page.text(at(least / 2, 0)[0], bottom - 40, "saturates:\nthe ReLU", "red")
    page.text(at((full + most) / 2, 0)[0], high + 34, "saturates:\nlost", "red")
    byte = round(SAMPLE / step)
    x, y = at(SAMPLE, byte)
    page.line((x, bottom), (x, y), "quiet")
    page.line((left, y), (x, y), "quiet")
    page.dot(x, y, "blue")
    page.text(left - 8, y, str(byte), align="right")
    page.text(x - 10, y - 32, f"{SAMPLE} becomes {byte},\n{byte} means {byte * step:.3f}", align="right")
    page.text(left + 220, 363, "the number", "quiet")
    stairs(page, step)
    return page


def stairs(page: Sketch, step: float) -> None:
    """A few steps, enlarged: how far a number can be from what its byte stands for."""
    left, bottom, side = 352, 302, 22
    for number in range(4):
        x, y = left + number * side, bottom - number * side
        page.line((x, y), (x + side, y), "blue", 3)
        if number:
            page.line((x, y + side), (x, y), "blue", 1)
    page.text(left + 4 * side + 8, bottom - 2.5 * side, f"a step:\n{step:.4f}", "blue", align="left")


def kernels() -> dict[str, np.ndarray]:
    """Each convolution's weights, float64 (outputs, ...), times what its batch norm multiplies each channel by."""
    state, _ = sets.load(sets.find(SET))
    factors = {
        name: state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"].astype(np.float64) + EPSILON)
        for name, norm, _ in convolutions()
    }
    return {
        name: state[f"{name}.weight"].reshape(len(factor), -1) * factor[:, None] for name, factor in factors.items()
    }


def decibels(weights: np.ndarray, each_channel: bool) -> float:
    """How much stronger weights are than the errors of their 8 bits; a scale for each row, or one for all."""
    largest = np.abs(weights).max(axis=1 if each_channel else None, keepdims=True)
    step = np.where(largest > 0, largest, 1) / 127
    errors = weights - np.rint(weights / step) * step
    return float(10 * np.log10((weights**2).sum() / (errors**2).sum()))


def channels() -> Sketch:
    """The signal-to-noise ratio of every convolution's weights, with one scale and with one for each channel."""
    found = {each: [decibels(weights, each) for weights in kernels().values()] for each in (False, True)}
    page = Sketch("A scale for each channel keeps more digits", 408)
    bottom, unit, low = 320, 11.0, 25
    page.text(16, 54, f"signal to noise of {SET}'s weights, dB (6 dB: a bit)", "quiet", align="left")
    for level in range(low, 50, 5):
        y = bottom - (level - low) * unit
        page.line((50, y), (504, y))
        page.text(42, y, str(level), "quiet", align="right")
    for number, (one, many) in enumerate(zip(*found.values())):
        x = 58 + number * 8.4
        page.line((x, bottom - (one - low) * unit), (x, bottom - (many - low) * unit), "rule", 3)
        page.dot(x, bottom - (one - low) * unit, "orange", 6)
        page.dot(x, bottom - (many - low) * unit, "green", 6)
    page.text(280, 342, f"the {len(found[True])} convolutions, in their order", "quiet")
    for said, colour, each, y in (("one scale", "orange", False, 368), ("one for each channel", "green", True, 392)):
        page.text(16, y, f"{said}: median {np.median(found[each]):.1f}", colour, align="left", bold=True)
    return page
