"""SVG drawings that follow the reader's theme: one file has the colours of both, and the browser chooses."""

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from .tensor_file import appearing_whole

# A colour's role: how it looks on light and on dark ground. A drawing uses the first; each stands for one role only.
PALETTE = {
    "ground": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "quiet": ("#59636e", "#9198a1"),
    "rule": ("#d1d9e0", "#3d444d"),
    "blue": ("#0969da", "#4493f8"),
    "pale blue": ("#cfe6ff", "#123a66"),
    "middle blue": ("#9cc9fb", "#1d5a9e"),
    "orange": ("#bc4c00", "#f0883e"),
    "pale orange": ("#ffe0bd", "#5c360f"),
    "green": ("#1a7f37", "#3fb950"),
    "pale green": ("#c9efd2", "#14472a"),
    "red": ("#cf222e", "#ff7b72"),
    "pale red": ("#ffd9d5", "#63211f"),
}
LIGHT = {role: light for role, (light, _) in PALETTE.items()}
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and no font is embedded
    "svg.hashsalt": "ResNet-50",
    "font.size": 9.0,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
}


def write_svg(figure: Figure, path: Path, title: str) -> None:
    """Write a figure that is drawn in colours of `LIGHT` to the SVG file `path`, always the same bytes.

    The ground is drawn too: a drawing stays readable where its theme is not that of the page around it.
    Raises `OSError`.
    """
    figure.set_facecolor(LIGHT["ground"])
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None, "Title": title})
    with appearing_whole(path) as partial:
        partial.write_text(text.getvalue().replace("</style>", f"\n{dark_theme()}</style>", 1), encoding="utf-8")


def dark_theme() -> str:
    """The style sheet that exchanges every colour on a page with dark ground."""
    rules = [
        f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
        for light, dark in PALETTE.values()
        for kind in ("fill", "stroke")
    ]
    return f"@media (prefers-color-scheme: dark) {{\n{''.join(rules)}}}\n"
