"""The lesson's examples as one file, beside the page that explains them."""

import doctest
from pathlib import Path

from shared_weights.tensor_file import appearing_whole

FILE = Path("build/lesson.py")


def examples(root: Path) -> str:
    """Write all examples of versions/README.md to FILE, the text as comments; a link to it, as Markdown."""
    text = (root / "versions" / "README.md").read_text(encoding="utf-8")
    with appearing_whole(root / FILE) as partial:
        partial.write_text(script(text), encoding="utf-8")
    return (
        f"\n\n## The examples as a file\n\n{{download}}`lesson.py </{FILE.as_posix()}>` holds all of them, and what "
        f"each should give; it is also `{FILE.as_posix()}`. "
        f"`build/01_pure_python/release/env/bin/python -i {FILE.as_posix()}` runs them, and then waits for yours.\n"
    )


def script(text: str) -> str:
    """The examples of a Markdown text as a program; what they should give, and all other text, are comments."""
    return doctest.script_from_examples(text.replace("\n```\n", "\n\n```\n"))  # they end at an empty line
