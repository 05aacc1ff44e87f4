"""The network as a table: each layer's input, output and cost."""

from itertools import groupby

from rich.table import Table
from rich.text import Text

from .architecture import Layer, Shape, layers

STYLES = {
    "convolution": "bold cyan",
    "linear": "bold cyan",
    "residual sum": "yellow",
    "max pooling": "green",
    "average pooling": "green",
}


def table(size: int = 224) -> Table:
    """Every layer for a picture of `size` x `size` pixels, grouped by stage, with subtotals and the total."""
    network = layers(size, size)
    result = Table(
        title=f"ResNet-50 at {size}x{size} pixels",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
        caption_justify="left",
        caption="Shapes are height x width x channels. Bytes are those of float32; weight bytes "
        "include batch norm's running statistics, which are not parameters.",
    )
    for name in ("layer", "kind", "kernel", "stride", "input", "output"):
        result.add_column(name, no_wrap=True, justify="left" if name in ("layer", "kind") else "right")
    for name in ("parameters", "multiply\nadds", "weight\nbytes", "output\nbytes"):
        result.add_column(name, no_wrap=True, justify="right")
    for stage, group in groupby(network, lambda layer: layer.stage):
        members = list(group)
        for layer in members:
            result.add_row(*_row(layer))
        result.add_row(*_sum_row(stage, members), style="bold", end_section=True)
        result.add_row()
    result.add_row(*_sum_row("total", network), style="bold green")
    return result


def shape_text(shape: Shape) -> str:
    """(56, 56, 64) -> "56x56x64"."""
    return "x".join(map(str, shape))


def si(value: float, unit: str = "") -> str:
    """A number with three figures and a decimal prefix: 25557032 -> "25.6 M"; 0 -> ""."""
    if not value:
        return ""
    for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 0.9995 * factor:
            scaled = value / factor
            decimals = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{decimals}f} {prefix}{unit}"
    return f"{value:.0f} {unit}".rstrip()


def _row(layer: Layer) -> tuple[Text | str, ...]:
    style = STYLES.get(layer.kind, "dim")
    kernel = f"{layer.kernel}x{layer.kernel}" if layer.kernel else ""
    return (
        Text(layer.name, style),
        Text(layer.kind, style),
        kernel,
        str(layer.stride or ""),
        shape_text(layer.input),
        shape_text(layer.output),
        f"{layer.parameters:,}" if layer.parameters else "",
        si(layer.multiply_adds),
        si(layer.weight_bytes, "B"),
        si(layer.output_bytes, "B"),
    )


def _sum_row(name: str, members: list[Layer]) -> tuple[str, ...]:
    def total(attribute: str) -> int:
        return sum(getattr(layer, attribute) for layer in members)

    return (
        name,
        f"{len(members)} layers",
        "",
        "",
        shape_text(members[0].input),
        shape_text(members[-1].output),
        f"{total('parameters'):,}",
        si(total("multiply_adds")),
        si(total("weight_bytes"), "B"),
        si(total("output_bytes"), "B"),
    )
