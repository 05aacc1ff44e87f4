"""The Markdown files that are pages, their order, and the additions below their text."""

from pathlib import Path, PurePosixPath

from website import differences, examples, figures, profiles

FRONT = "README.md"
VERSION = "versions/[0-9][0-9]_*/README.md"
# The headings of the navigation and the files below them, in this order; a pattern may match none.
SECTIONS = {
    "The ladder": (
        "versions/README.md",
        VERSION,
        "versions/tools/ladder/README.md",
        "versions/tools/labelling/README.md",
    ),
    "Beside it": (
        "cv_basics/README.md",
        "mnist/README.md",
        "shared_weights/README.md",
        "shared_weights/cifar10/README.md",
        "pics/SOURCES.md",
        "pics/cutouts/README.md",
    ),
    "Working on it": (
        "CONTRIBUTING.md",
        "versions/tools/figures/README.md",
        "versions/tools/fuzzing/README.md",
        "versions/tools/scrutiny/README.md",
        "versions/tools/arm/README.md",
        "versions/tools/website/README.md",
    ),
}


def pages(root: Path) -> dict[str, list[str]]:
    """The pages of each section that exist, as paths inside `root` with forward slashes."""
    return {
        section: [file.relative_to(root).as_posix() for pattern in patterns for file in sorted(root.glob(pattern))]
        for section, patterns in SECTIONS.items()
    }


def page_of(root: Path, folder: str) -> str | None:
    """The page that represents a folder: its README, or else the first page in it; None if there is none."""
    if folder == ".":
        return FRONT
    inside = [page for section in pages(root).values() for page in section if str(Path(page).parent) == folder]
    return next((page for page in inside if page.endswith("/README.md")), inside[0] if inside else None)


def addition(root: Path, page: str) -> str:
    """The Markdown below a page's own text; empty for most.

    Raises LadderError if a version can't be compared with its predecessor.
    """
    if page == FRONT:
        return figures.chart(root) + navigation(root)
    if PurePosixPath(page).match(VERSION):
        name = Path(page).parent.name
        return profiles.profile(root, name) + differences.difference(root, name)
    below = {
        "versions/README.md": examples.examples,
        "mnist/README.md": figures.curves,
        "pics/SOURCES.md": figures.pictures,
    }
    return below.get(page, nothing)(root)


def nothing(root: Path) -> str:
    """The addition to most pages: none."""
    return ""


def navigation(root: Path) -> str:
    """The tree of pages, which Sphinx shows beside each page."""
    trees = [
        "\n".join(["\n```{toctree}", ":hidden:", f":caption: {section}", "", *found, "```\n"])
        for section, found in pages(root).items()
        if found
    ]
    return "".join(trees)
