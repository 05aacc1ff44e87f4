"""Links from a page to a file or folder of the repository: they lead to its page, or to a page made for it."""

from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

from website import contents, sources

LOG = logging.getLogger(__name__)


class RepositoryLinks(SphinxTransform):
    """Rewrites links into the repository while a page is read; Sphinx only knows those between Markdown files."""

    default_priority = 1  # before Sphinx looks for other meanings of a link

    def apply(self, **settings: object) -> None:
        """Rewrite every link that leads neither to a page nor to another site."""
        for kind in (addnodes.download_reference, addnodes.pending_xref):
            for node in list(self.document.findall(kind)):
                if node["reftype"] == "myst" and node["refdomain"] is None:
                    self.turn(node)

    def turn(self, node: nodes.Element) -> None:
        """Replace one link, or warn that it leads nowhere."""
        root = Path(self.env.srcdir)
        path = PurePosixPath(self.env.relfn2path(node["reftarget"], self.env.docname)[0])
        if ".." in path.parts or not (root / path).exists():
            LOG.warning("the link leads to %s, which is not there", path, location=node)
            node.replace_self(node.children)
            return
        if contents.page_of(root, str(path)) is None:
            sources.wanted(self.env).add(path)
        address = relative_uri(f"{self.env.docname}.html", sources.address(root, path))
        node.replace_self(nodes.reference("", "", *node.children, refuri=address))
