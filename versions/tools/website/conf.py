"""Sphinx's settings, and this project's additions to Sphinx."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from ladder.chain.diff_html import stylesheet
from ladder.core.errors import LadderError
from website import contents, links, sources

project = "ResNet-50 by hand"
extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
root_doc = "README"
include_patterns = [contents.FRONT, *(pattern for patterns in contents.SECTIONS.values() for pattern in patterns)]
exclude_patterns = ["build"]
smartquotes = False  # keep the text as it is written
highlight_language = "none"  # of a code block that names none
myst_heading_anchors = 4  # headings have the link names that GitHub gives them

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css", "diff.css"]
templates_path = ["templates"]
html_additional_pages = {"index": "redirect.html"}  # the front page is README.html
html_copy_source = False
html_show_copyright = False
html_show_search_summary = False  # it would fetch pages, which browsers forbid for local files
html_use_index = False
copybutton_prompt_text = r">>> |\.\.\. ?|\$ "  # what is copied are the lines behind these, if there are any
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos"
pygments_style = "xcode"
pygments_dark_style = "github-dark"


def add_to_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append measurements and differences to a README's own text."""
    try:
        source[0] += contents.addition(Path(app.srcdir), f"{docname}.md")
    except LadderError as error:
        raise ExtensionError(str(error)) from None


def mark_lengths(app: Sphinx, document: nodes.document) -> None:
    """Give the cells of tables, and code, that would wrap badly a class for site.css, by their number of characters.

    A `short` cell stays on one line; a `long` one makes its column wide. Code is `long` if a word fills a phone.
    """
    for cell in document.findall(nodes.entry):
        length = len(cell.astext())
        cell["classes"] += ["short"] * (length <= 12) + ["long"] * (length > 40)
    for code in document.findall(nodes.literal):
        code["classes"] += ["long"] * any(len(word) > 40 for word in code.astext().split())


def write_stylesheet(app: Sphinx, error: Exception | None) -> None:
    """Write the differences' colours, also for Furo's dark theme, whether the reader or the system chooses it."""
    if error is None:
        chosen, system = (stylesheet(f'body[data-theme="{theme}"]') for theme in ("dark", "auto"))
        css = f"{chosen}@media (prefers-color-scheme: dark) {{\n{system}}}\n"
        (app.outdir / "_static" / "diff.css").write_text(css, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register this project's additions; Sphinx calls this."""
    app.add_transform(links.RepositoryLinks)
    app.connect("source-read", add_to_page)
    app.connect("doctree-read", mark_lengths)
    app.connect("html-collect-pages", sources.collect)
    app.connect("build-finished", write_stylesheet)
    return {"parallel_read_safe": False}
