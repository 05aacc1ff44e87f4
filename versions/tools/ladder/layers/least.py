"""`peaks`: for each layer the least time that the machine allows, beside the time that the newest versions take."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from ladder.core import terminal
from ladder.core.versions import Version, discover, obstacle
from ladder.layers import profile
from ladder.layers.layer_times import Profile, Row
from ladder.layers.profile_text import count, label, lines, milliseconds
from ladder.timing.bench import find_peak
from ladder.timing.bench_text import rounded
from ladder.timing.contestants import contestants
from shared_weights.architecture import layers


def show(root: Path, size: int, threads: int, rounds: int, all_layers: bool) -> int:
    """Time the newest versions, and print their layers, or sums by kind. Returns the exit code: 130 after Ctrl-C."""
    versions = newest(discover(root))
    loops, unknown = find_peak(root / "build" / "peaks", any(version.int8 for version in versions))
    entries = contestants(versions, [threads])
    profiles, interrupted = profile.measure(entries, size, profile.Settings((), rounds=rounds), loops)
    if profiles:
        terminal.output().print(tabulate(profiles, size, all_layers))
        for sentence in explain(profiles, unknown):
            terminal.output().print(sentence, markup=False)
    return 130 if interrupted else 0


def newest(versions: list[Version]) -> list[Version]:
    """The newest version in float32 and the newest in 8-bit integers, of those that run on this processor."""
    able = {version.int8: version for version in versions if obstacle(version) is None}
    return [able[int8] for int8 in (False, True) if int8 in able]


def tabulate(profiles: Sequence[Profile], size: int, all_layers: bool) -> Table:
    """A row for each layer, with the stages' sums, or for each kind of layer; then the total."""
    table = terminal.table(f"milliseconds of each {'layer' if all_layers else 'kind'}, {size} x {size} pixels")
    table.padding = (0, 0, 0, 0)  # the longest names and figures fill 80 columns
    table.show_edge = False
    for head in ["layer", "kind"] if all_layers else ["kind"]:
        table.add_column(head, no_wrap=True)
    for one in profiles:
        for head in (f"{one.version}\nleast", "\ntime", "time /\nleast"):
            table.add_column(head, justify="right", no_wrap=True)
    known = {row.name: row for one in profiles for row in one.rows}
    order = [known[layer.name] for layer in layers() if layer.name in known]
    own = [{(row.name, is_sum): row for row, is_sum in lines(one.rows, not all_layers)} for one in profiles]
    for row, is_sum in lines(order, not all_layers):
        cells = [cell for one, rows in zip(profiles, own) for cell in times(rows.get((row.name, is_sum)), one)]
        bold = "bold" if is_sum and all_layers else None
        table.add_row(*label(row, not all_layers)[:2], *cells, style=bold, end_section=is_sum and all_layers)
    return table


def times(row: Row | None, one: Profile) -> tuple[str, str, str]:
    """A row's least time, its time, and the one over the other."""
    if row is None:
        return "-", "-", "-"
    total = one.total.seconds
    return milliseconds(row.limit, total), milliseconds(row.seconds, total), rounded(row.seconds / row.limit)


def explain(profiles: Sequence[Profile], unknown: str) -> list[str]:
    """Sentences that say what the times are."""
    text = [
        f"{count(profiles[0].threads, 'thread')}. least: the operations at the peak in such numbers, or every step's "
        "bytes from memory, whichever takes longer. A layer can take less if its bytes are still in a cache. time: the "
        "mean of the fastest tenth of the inferences; `nox -s profile` says more."
    ]
    text += [
        f"{one.version} does fewer operations than its convolutions are defined by; its least times are of those."
        for one in profiles
        if one.total.marked
    ]
    return [*text, f"{unknown[0].upper()}{unknown[1:]}."] if unknown else text
