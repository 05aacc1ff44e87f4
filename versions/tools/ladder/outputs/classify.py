"""`classify`: names what pictures show, and judges the answers if the truth is known."""

from contextlib import ExitStack
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ladder.core import environment, terminal, weights
from ladder.core.pictures import Picture, Refused, collect, listed, own_pictures
from ladder.core.selection import one_or_newest
from ladder.core.terminal import printable
from ladder.core.versions import Version
from ladder.outputs import rows
from ladder.outputs.loading import TellingWorker, loading, size_for
from ladder.outputs.naming import Named, known, name_all
from ladder.outputs.viewer import Viewer


def classify(
    root: Path,
    given: list[Path],
    version: str | None,
    weight_set: str | None,
    top: int,
    form: str = "table",
    html: Path | None = None,
) -> int:
    """Name the given pictures and folders, or all in pics/, and print the answers. Returns the exit code.

    `form`: "table", or "json" or "csv", a line for each picture. `html`: a page to write as well.
    """
    chosen = one_or_newest(root, version)
    folder = weights.find(weight_set)
    labels = weights.read_labels(folder)
    pics = root / "pics"
    pictures, refused, others = (
        collect(listed(given), pics, folder.name) if given else (own_pictures(pics, folder.name), [], 0)
    )
    python = environment.python(chosen) if pictures else Path()
    answers: list[Named | Refused] = [*refused]
    if pictures:
        terminal.note(f"version {chosen.name}, weights {printable(folder.name)}")
        with ExitStack() as stack:
            with loading(chosen.name) as told:
                kind = Viewer if html else TellingWorker
                worker = stack.enter_context(kind(chosen.name, python, folder, size=size_for(folder), told=told))
            begin = stack.enter_context(terminal.progress("looking at the pictures", len(pictures)))
            answers += name_all(worker, pictures, labels, top, begin)
    named = [answer for answer in answers if isinstance(answer, Named)]
    if form != "table":
        rows.write(form, answers, chosen.name, folder.name)
    elif pictures:
        show(named, chosen, folder, labels)
    if html and named:
        write_page(html, named, chosen, folder, labels)
    return report([answer for answer in answers if isinstance(answer, Refused)], others)


def write_page(html: Path, named: list[Named], version: Version, folder: Path, labels: list[str]) -> None:
    """Write the page about these pictures."""
    from ladder.outputs import page  # here, since it needs Matplotlib, which is slow to import

    page.write(html, named, version, folder, labels)
    terminal.note(f"written: {html}")


def report(refused: list[Refused], others: int) -> int:
    """Say on stderr what has no label, and how many other files were left out. Returns the exit code."""
    if others:
        files = "1 other file was" if others == 1 else f"{others} other files were"
        why = "it is not a picture" if others == 1 else "they are not pictures"
        terminal.note(f"{files} left out: by name and content {why}")
    for one in refused:
        terminal.complain(f"ladder: {one}")
    return 2 if refused else 0


def show(named: list[Named], version: Version, folder: Path, labels: list[str]) -> None:
    """Print the table and, below it, the summary."""
    console = terminal.output()
    if folder.name == "synthetic":
        console.print(weights.MEANINGLESS)
    if named:
        console.print(tabulate(named), *summary(named), sep="\n")
    console.print(f"Version {version.name} ({version.idea}), weight set {printable(folder.name)}.", markup=False)
    if folder.name != "synthetic" and any(entry.verdict is None for entry in named):
        console.print(printable(known(folder, labels)), markup=False)
        if folder.name == "cifar10" and folder == weights.find(None):
            console.print("`nox -s weights -- imagenet` downloads a set that knows 1,000, which is used from then on.")


def tabulate(named: list[Named]) -> Table:
    """A row for each picture: file and truth, most likely labels, verdict if there is any, time."""
    judged = any(entry.verdict is not None for entry in named)
    table = terminal.table()
    table.add_column(Text("picture\n  what it shows"), overflow="fold")
    table.add_column(f"top {max(len(entry.guesses) for entry in named)}")
    if judged:
        table.add_column("", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for entry in named:
        judgement = [verdict(entry)] if judged else []
        table.add_row(subject(entry.picture), guesses(entry), *judgement, duration(entry.seconds))
    return table


def subject(picture: Picture) -> Text:
    """The file, and on a second line the right labels; if there are none or too many to read, the subject in words."""
    truth = " or ".join(sorted(picture.right)) if 0 < len(picture.right) <= 3 else picture.shows
    return Text.assemble(printable(picture.name), (f"\n  {truth}" if truth else "", "dim"))


def guesses(entry: Named) -> Text:
    """The labels with their probabilities, the most likely on its own line."""
    first, *rest = (f"{printable(label)} {100 * probability:.1f}%" for label, probability in entry.guesses)
    return Text.assemble((first, "bold"), ("\n" + ", ".join(rest) if rest else "", "dim"))


def verdict(entry: Named) -> Text:
    """The verdict as a coloured word."""
    words = {True: Text("right", style="green"), False: Text("wrong", style="red"), None: Text("-", style="dim")}
    return words[entry.verdict]


def duration(seconds: float) -> str:
    """A time in milliseconds or seconds, with three digits."""
    if seconds < 0.9995:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def summary(named: list[Named]) -> list[str]:
    """Sentences: the share that was right, and the latency."""
    verdicts = [entry.verdict for entry in named if entry.verdict is not None]
    lines = []
    if verdicts:
        others = len(named) - len(verdicts)
        more = f"; no verdict on {others}, whose right label is not known" if others else ""
        lines.append(f"{sum(verdicts)} of {len(verdicts)} right ({100 * sum(verdicts) / len(verdicts):.1f}%){more}.")
    latency = sum(entry.seconds for entry in named) / len(named)
    return [*lines, f"Mean latency {duration(latency)}, the inference alone."]
