"""Pages for the files and folders that a README links to: a file's highlighted text, or a folder's content."""

import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.display import status_iterator
from sphinx.util.osutil import relative_uri

from ladder.core.files import names
from ladder.core.highlight import lexer
from website.contents import page_of

PICTURES = {".jpg", ".png", ".svg"}  # browsers show them themselves
Page = tuple[str, dict[str, Any], str]  # its name, the template's variables, the template


def wanted(env: BuildEnvironment) -> set[PurePosixPath]:
    """The files and folders that the pages read so far link to."""
    found: set[PurePosixPath] = env.__dict__.setdefault("repository_paths", set())
    return found


def address(root: Path, path: PurePosixPath) -> str:
    """The address in the site at which a file or folder is shown."""
    if page := page_of(root, str(path)):
        return page.removesuffix(".md") + ".html"
    if (root / path).is_dir():
        return f"{path}/index.html"
    return str(path) if copied(root / path) else f"{path}.html"


def copied(file: Path) -> bool:
    """Whether a file is copied as it is, for the browser to show or save: a picture, or not text."""
    return file.suffix in PICTURES or b"\0" in file.read_bytes()[:8000]


def collect(app: Sphinx) -> Iterator[Page]:
    """The pages of all files and folders that are linked to, and of the files in these folders."""
    root, todo = Path(app.srcdir), sorted(wanted(app.env))
    for path in status_iterator(todo, "showing files and folders... ", "brown", verbosity=app.verbosity):
        if (root / path).is_dir():
            inside = sorted({path / PurePosixPath(name).parts[0] for name in names(root / path)})
            todo += [child for child in inside if child not in todo and page_of(root, str(child)) is None]
            yield page(path, f"{path}/index", listing(root, path, inside))
        elif copied(root / path):
            (app.outdir / path.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, app.outdir / path)
        else:
            yield page(path, str(path), highlighted(root / path))


def listing(root: Path, folder: PurePosixPath, inside: list[PurePosixPath]) -> str:
    """The content of a folder as a list of links, in HTML."""
    links = [
        f'<li><a href="{relative_uri(f"{folder}/", address(root, path))}">{escape(path.name)}</a></li>'
        for path in inside
    ]
    return f"<ul>{''.join(links)}</ul>"


def page(path: PurePosixPath, name: str, body: str) -> Page:
    """A page for a file or folder, with its path as the heading."""
    heading = f"<h1>{escape(path.name)}</h1><p><code>{escape(str(path))}</code></p>"
    return name, {"title": path.name, "body": heading + body}, "page.html"


def highlighted(file: Path) -> str:
    """A text file as HTML, with line numbers; Sphinx's own stylesheet has the colours."""
    shown = highlight(file.read_text(encoding="utf-8"), lexer(file.name), HtmlFormatter(linenos="inline"))
    return f'<div class="wide">{shown}</div>'
