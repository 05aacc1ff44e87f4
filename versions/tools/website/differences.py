"""The difference between a version and its predecessor, side by side, as Markdown."""

from pathlib import Path

from ladder.chain import diff, diff_html
from ladder.core.versions import discover, find

FENCE = "~" * 40  # longer than any fence in a file that is shown


def difference(root: Path, name: str) -> str:
    """A version's code beside its predecessor's; empty for the first version."""
    versions = discover(root)
    version = find(versions, name)
    if version == versions[0]:
        return ""
    comparison = diff.prepare(root, [name])
    html = diff_html.fragment(comparison.changes, comparison.read)
    return (
        f"\n\n## The difference to {comparison.before.name}\n\n{comparison.measured} "
        f"{diff.total(comparison.changes)}\n\n{FENCE}{{raw}} html\n<div class='wide'>\n{html}</div>\n{FENCE}\n"
    )
