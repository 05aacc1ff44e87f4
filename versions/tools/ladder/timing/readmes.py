"""`bench --write`: puts the results of one run between the markers of README.md and of the versions' READMEs."""

from collections.abc import Mapping
from pathlib import Path

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.versions import discover
from ladder.timing import bench_readme, chart, history, version_readme
from ladder.timing.bench_readme import CHART, Found
from shared_weights.tensor_file import appearing_whole

NAME = "README.md"


def check(root: Path) -> None:
    """Raise LadderError if a README has no markers to write between."""
    filled(root / NAME, {"summary": "", "bench": ""})
    for version in discover(root):
        filled(version.folder / NAME, {"bench": ""})


def write(root: Path, found: Found) -> None:
    """Keep the results in their file, and renew the READMEs and the chart."""
    history.publish(root, found.values())
    renew(root)


def renew(root: Path) -> None:
    """Put what the results' file says into the READMEs, between the markers, and draw the chart.

    Raises LadderError if there is no such file, or if a README has no markers.
    """
    found = published(root)
    if not found:
        raise LadderError(f"{history.PUBLISHED.as_posix()} has no results: `nox -s bench -- --peers --write` makes it")
    texts = renewed(root, found)
    chart.draw(chart.of_ladder(found[min(found)], found[max(found)]), root / CHART)
    for readme, text in texts.items():
        with appearing_whole(readme) as partial:
            partial.write_text(text, encoding="utf-8")
    for version in discover(root):
        if version.folder / NAME not in texts:
            terminal.note(f"{version.name} is not among the results: its {NAME} stays as it is")
    terminal.note(f"written: {len(texts)} READMEs and {CHART.as_posix()}, from {history.PUBLISHED.as_posix()}")


def published(root: Path) -> Found:
    """The committed results, the smaller size first."""
    return {run["size"]: run for run in sorted(history.published(root), key=lambda run: run["size"])}


def renewed(root: Path, found: Found) -> dict[Path, str]:
    """The text that README.md has with these results, and the README of each version that is among them."""
    changed = history.changed(root, found.values())
    texts = {root / NAME: filled(root / NAME, bench_readme.sections(found, changed))}
    for version in discover(root):
        if version_readme.entries(found, version.name):
            readme = version.folder / NAME
            texts[readme] = filled(readme, {"bench": version_readme.section(found, version.name, changed)})
    return texts


def filled(readme: Path, contents: Mapping[str, str]) -> str:
    """The README's text with these contents between their markers; raises LadderError if there are none."""
    text = readme.read_text(encoding="utf-8")
    for name, content in contents.items():
        begin, end = (f"<!-- {name}: {place} -->" for place in ("begin", "end"))
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise LadderError(f"{readme} has no lines {begin} and {end} to write between")
        text = f"{before}{begin}\n\n{content}\n\n{end}{after}"
    return text
