"""The roofline of one core: how fast memory and the processor let each layer be."""

from math import log10, prod

from figures.sketch import Sketch
from ladder.timing import cost
from shared_weights.architecture import layers

# Of the Zen 4 on which 09 and 11 were measured: versions/09_avx512/README.md and versions/11_prefetch/README.md.
PEAK, BANDWIDTH = 115e9 / 2, 26e9  # multiply-adds per second, of one core; bytes per second
NAMED = ("layer1.0.add", "fc", "layer1.0.conv1", "layer4.2.conv2", "conv1", "layer1.0.conv2")  # by intensity
LEAST, MOST = (0.03, 0.7e9), (300, 130e9)  # of the axes: multiply-adds per byte, and per second


def bounds() -> dict[str, tuple[float, float]]:
    """For each layer of NAMED its multiply-adds (or additions) per byte, and as many per second as the roof allows."""
    by_name = {layer.name: layer for layer in layers()}
    found = {}
    for name in NAMED:
        layer = by_name[name]
        intensity = (layer.multiply_adds or prod(layer.output)) / cost.moved_bytes([layer])
        found[name] = intensity, min(PEAK, intensity * BANDWIDTH)
    return found


def place(intensity: float, speed: float) -> tuple[float, float]:
    """Where a point lies on the page; both axes are logarithmic."""
    x, y = (log10(value / least) / log10(most / least) for value, least, most in zip((intensity, speed), LEAST, MOST))
    return 52 + 400 * x, 360 - 290 * y


def roofline() -> Sketch:
    """The roof of one core, and below which part of it some layers stand."""
    page = Sketch("Roofline: what a layer waits for", 416)
    axes(page)
    corner = place(PEAK / BANDWIDTH, PEAK)
    page.line(place(LEAST[0], LEAST[0] * BANDWIDTH), corner, "blue", 3)
    page.line(corner, place(MOST[0], PEAK), "orange", 3)
    page.text(corner[0] + 8, corner[1] - 17, f"peak {PEAK / 1e9:.0f}", "orange", align="left", bold=True)
    page.text(corner[0] - 56, corner[1] + 40, f"memory {BANDWIDTH / 1e9:.0f} GB/s", "blue", align="right", bold=True)
    kernels = {layer.name: layer.kernel for layer in layers()}
    for number, (name, (intensity, speed)) in enumerate(bounds().items()):
        x, y = place(intensity, speed)
        if speed < PEAK:
            page.dot(x, y, "blue")
            page.text(x + 12, y + 4, name, align="left")
            continue
        page.dot(x, y, "orange")
        said = f"{name} ({kernels[name]}x{kernels[name]})"
        if right := len(NAMED) - 1 - number:  # dots to the right, whose lines end higher
            page.line((x, y), (x, y + 26 * right - 9), "orange")
            page.text(x - 8, y + 26 * right, said, align="left")
        else:
            page.text(508, y - 16, said, align="right")
    return page


def axes(page: Sketch) -> None:
    """Both scales, in powers of ten."""
    for speed in (1e9, 1e10, 1e11):
        x, y = place(LEAST[0], speed)
        page.line((x, y), place(MOST[0], speed))
        page.text(x - 8, y, f"{speed / 1e9:g}", "quiet", align="right")
    for intensity in (0.1, 1, 10, 100):
        x, y = place(intensity, LEAST[1])
        page.line((x, 70), (x, y))
        page.text(x, y + 16, f"{intensity:g}", "quiet")
    page.text(252, 400, "multiply-adds per byte", "quiet")
    page.text(52, 54, "billion multiply-adds per second, one core", "quiet", align="left")
