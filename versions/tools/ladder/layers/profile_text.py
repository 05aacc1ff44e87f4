"""A profile as tables and sentences for the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ladder.core import processor, terminal
from ladder.layers.layer_times import Profile, Row, add_up, groups
from ladder.machine.bandwidth import BYTES
from ladder.timing.bench_text import rounded
from shared_weights.architecture import layers

MARKED = (
    "*: counted as if each convolution were direct, so it may pass 100 % of the peak. done: the operations that are "
    "really done, in percent of the peak. MB and limit are theirs, with what one step leaves in memory for the next."
)


def show(profiles: list[Profile], size: int, unknown: str, interrupted: bool, plot: Path) -> None:
    """Print the layers, then the sums by kind, then what the figures mean; `unknown`: why there is no peak."""
    console = terminal.output()
    for title, sums_only in (("Layer by layer", False), ("By kind", True)):
        if len(profiles) == 1:
            console.print(tabulate(profiles[0], title, sums_only))
        else:
            console.print(side_by_side(profiles[0], profiles[1], title, sums_only))
        console.print()
    for sentence in explain(profiles, size, unknown, interrupted):
        console.print(sentence, markup=False)
    console.print(f"Roofline plot: {plot}\nAll figures: {plot.with_suffix('.json')}", markup=False, soft_wrap=True)


def empty_table(title: str, sums_only: bool, heads: Iterable[str]) -> Table:
    """An empty table with columns for the line's name and for these figures."""
    table = terminal.table(title)
    table.padding = (0, 0, 0, 0)  # the longest names and figures fill 80 columns
    table.show_edge = False
    for head in ["kind"] if sums_only else ["layer", "kind"]:
        table.add_column(head, no_wrap=True)
    for head in heads if sums_only else ["output", *heads]:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def tabulate(profile: Profile, title: str, sums_only: bool) -> Table:
    """A row for each layer, and below each stage its sum; or only the sums, by kind; then the total."""
    total = profile.total
    speed = "GOP\n/s" if profile.int8 else "GFLOP\n/s"
    heads = ["ms", "time\n%", speed, "% of\npeak", *["done\n%"] * total.marked, "MB", "limit\nms"]
    table = empty_table(title, sums_only, heads)
    for row, is_sum in lines(profile.rows, sums_only):
        speed, *shares = speeds(row, profile.peak)
        table.add_row(
            *label(row, sums_only),
            milliseconds(row.seconds, total.seconds),
            short(100 * row.seconds / total.seconds, 1),
            speed,
            *shares[: 1 + total.marked],
            short(row.bytes / 1e6, 2),
            short(1e3 * row.limit, 3),
            style="bold" if is_sum and not sums_only else None,
            end_section=is_sum and not sums_only,
        )
    return table


def speeds(row: Row, peak: float | None) -> tuple[str, str, str]:
    """GFLOP/s and percent of the peak, with an asterisk if they count what is not done; percent of what is done."""
    speed, mark = rounded(row.flops / 1e9, rough=row.flops < 1e8), "*" * row.marked
    if not peak:
        return speed + mark, "-", ""
    share = short(100 * row.flops / peak, 0 if mark else 2)
    return speed + mark, share + mark, short(100 * row.done_flops / peak, 1) if mark else ""


def side_by_side(one: Profile, other: Profile, title: str, sums_only: bool) -> Table:
    """A table of the layers' times in two versions, and how many times as fast the second one is."""
    table = empty_table(title, sums_only, (f"{one.version}\nms", f"{other.version}\nms", "ratio"))
    names = {row.name: row for profile in (one, other) for row in profile.rows}
    order = [layer.name for layer in layers() if layer.name in names]
    left, right = (dict(times(profile, sums_only)) for profile in (one, other))
    for row, is_sum in lines([names[name] for name in order], sums_only):
        key = (row.name, is_sum)
        first, second = left.get(key), right.get(key)
        table.add_row(
            *label(row, sums_only),
            milliseconds(first, one.total.seconds) if first else "-",
            milliseconds(second, other.total.seconds) if second else "-",
            rounded(first / second) if first and second else "-",
            style="bold" if is_sum and not sums_only else None,
            end_section=is_sum and not sums_only,
        )
    return table


def times(profile: Profile, sums_only: bool) -> Iterator[tuple[tuple[str, bool], float]]:
    """The seconds of each line of the table, under its name and whether it is a sum."""
    for row, is_sum in lines(profile.rows, sums_only):
        yield (row.name, is_sum), row.seconds


def lines(rows: Sequence[Row], sums_only: bool) -> Iterator[tuple[Row, bool]]:
    """The lines of the table, each with whether it is a sum: the layers by stage, or the kinds' sums; the total."""
    for name, group in groups(rows, lambda row: row.kind if sums_only else row.stage).items():
        if not sums_only:
            yield from ((row, False) for row in group)
        yield add_up(name, group), True
    yield add_up("total", rows), True


def label(row: Row, sums_only: bool) -> list[str | Text]:
    """The cells that name the line's layer or sum."""
    return [row.name] if sums_only else [row.name, Text(row.kind, style="dim"), "x".join(map(str, row.shape))]


def milliseconds(seconds: float, total: float) -> str:
    """A time with the same number of decimals as all others of the same total, so that they compare at a glance."""
    return f"{1e3 * seconds:.{3 if total < 0.0995 else 2 if total < 9.95 else 1}f}"


def short(value: float, decimals: int) -> str:
    """A number with this many decimals, or fewer if it would have more than four characters."""
    return next(text for places in range(decimals, -1, -1) if len(text := f"{value:.{places}f}") <= 4 or places == 0)


def explain(profiles: list[Profile], size: int, unknown: str, interrupted: bool) -> list[str]:
    """Sentences that say what was measured, where and how."""
    cores = f"{processor.processors()} cores"
    text = [f"{processor.name()}, {cores}; {size} x {size} pixels, weights synthetic."]
    for profile in profiles:
        state = "interrupted after " * interrupted + count(len(profile.whole), "round")
        whole, total = profile.whole_seconds, profile.total.seconds
        text.append(
            f"{profile.version} ({profile.idea}), {count(profile.threads, 'thread')}, {state}: the rows add up to "
            f"{milliseconds(total, total)} ms; the whole, without on_layer, takes {milliseconds(whole, total)} ms: "
            f"{difference(profile.apart)}."
        )
        if profile.untold:
            text.append(f"{profile.version} does not report {len(profile.untold)} layers: others do their work.")
    for (threads, _), profile in {(profile.threads, profile.int8): profile for profile in profiles}.items():
        unit = "GOP/s in 8-bit integers" if profile.int8 else "GFLOP/s"
        flops = f"peak {rounded(profile.peak / 1e9)} {unit}, " if profile.peak else ""
        text.append(
            f"{count(threads, 'core')}: {flops}memory {rounded(profile.bandwidth / 1e9)} GB/s, measured in the same "
            f"rounds, the best of them (memory: a copy of {BYTES / 1e6:.0f} MB, bytes read and written)."
        )
    if unknown:
        text.append(f"{unknown[0].upper()}{unknown[1:]}.")
    text.append(
        "Times are means of the fastest tenth of the inferences, with on_layer and without: the others show what "
        "else the machine was doing."
    )
    if len(profiles) > 1:
        return [*text, f"ratio: {profiles[0].version}'s time over {profiles[1].version}'s."]
    numbers = "8-bit integers" if profiles[0].int8 else "float32"
    text.append(
        f"MB: input, output and weights in {numbers}, each once. limit: the time that these bytes take from memory, "
        "or the operations at the peak, whichever is longer. Data that the layer before left in a cache does not come "
        "from memory: so small layers can be faster than their limit."
    )
    return text + [MARKED] * profiles[0].total.marked


def difference(apart: float) -> str:
    """A relative difference in words."""
    return f"{100 * abs(apart):.1f} % {'more' if apart > 0 else 'less'}"


def count(number: int, what: str) -> str:
    """`1 core`, `2 cores`."""
    return f"{number} {what}{'s' * (number != 1)}"
