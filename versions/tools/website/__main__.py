"""Make the site in build/site: `python -m website`, from the repository's root."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("website")

import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.console import color_terminal, nocolor
from sphinx.util.docutils import docutils_namespace, patch_docutils

from ladder.core import terminal
from ladder.core.arguments import Parser
from ladder.core.errors import LadderError
from ladder.core.installing import held
from ladder.core.versions import ROOT

HERE = Path(__file__).resolve().parent


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Make the site of the project in `root`. Returns 0, 1 if a page has a fault, or 2 if the site can't be made.

    Sphinx shows its progress on stdout, and every fault as one line on stderr, with the file and the line.
    """
    Parser(prog="website", description=f"{__doc__} There are no options.").parse_args(argv)
    site, notes = root / "build" / "site", root / "build" / "website"
    if not color_terminal():
        nocolor()
    lock = held(root / "build" / "site.lock", "making the site", terminal.note)
    try:
        with lock, patch_docutils(HERE), docutils_namespace():
            shutil.rmtree(site, ignore_errors=True)
            app = Sphinx(
                root,
                HERE,
                site,
                notes,
                "html",
                status=sys.stdout,
                warning=sys.stderr,
                freshenv=True,
                warningiserror=True,
            )
            app.build()
    except (LadderError, SphinxError, OSError) as error:
        print(f"website: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if app.statuscode == 0:
        print(f"Open {site / 'index.html'}")
    return app.statuscode


if __name__ == "__main__":
    command_line.run(main)
