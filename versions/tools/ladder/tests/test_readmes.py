"""Whatever a README tells the reader to open is there."""

from pathlib import Path

import pytest

from ladder.core.versions import ROOT

from .markdown import anchors, documents, links


@pytest.mark.parametrize("document", documents(), ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(document: Path):
    inside = [link for link in links(document) if "://" not in link]
    for link in inside:
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists() and target.resolve().is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link
