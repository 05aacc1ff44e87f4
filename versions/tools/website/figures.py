"""The pictures that a page shows below its text, as Markdown, or the command that makes them."""

from pathlib import Path

from ladder.core.pictures import own_pictures
from ladder.core.versions import discover
from ladder.timing import history
from ladder.timing.conditions import sources as digest

# The figures that `nox -s mnist` draws in build/mnist.
DRAWN = {
    "curves": "loss and accuracy after each epoch",
    "confusion": "the confusion matrix: which digit was taken for which",
    "mistakes": "the worst mistakes",
    "filters": "the filters of conv1",
    "feature_maps": "what the filters see in one digit",
}


def chart(root: Path) -> str:
    """The chart of the last benchmark, as Markdown."""
    file = "build/bench/chart.svg"
    text = "\n\n## Measured on this machine\n\n"
    if not (root / file).exists():
        return f"{text}There is no chart yet: `nox -s bench` draws it.\n"
    return f"{text}![how long one inference takes with each version](/{file})\n{stale(root)}"


def stale(root: Path) -> str:
    """A sentence if the run that drew the chart does not hold for the versions as they are now."""
    run = history.of_all(root)
    names = {line["name"] for line in run["versions"]} if run else set()
    sources = {version.name: digest(version) for version in discover(root) if version.name in names}
    reason = run and history.today().stale(run, sources)
    return f"\nThis chart is stale: {reason}; `nox -s bench` redraws it.\n" if reason else ""


def curves(root: Path) -> str:
    """The figures of the digit classifier's last training, as Markdown."""
    drawn = [(name, what) for name, what in DRAWN.items() if (root / f"build/mnist/{name}.png").exists()]
    shown = "\n\n".join(f"![{what}](/build/mnist/{name}.png)" for name, what in drawn)
    return f"\n\n## The last training\n\n{shown or 'There is none yet: `nox -s mnist` trains and draws the curves.'}\n"


def pictures(root: Path) -> str:
    """All pictures with captions, as Markdown."""
    shown = "".join(
        f"```{{figure}} /pics/{picture.name}\n:alt: {picture.shows}\n\n{picture.shows}\n```\n"
        for picture in own_pictures(root / "pics", "cifar10")
    )
    return f"\n\n## The pictures\n\n````{{container}} pictures\n{shown}````\n"
