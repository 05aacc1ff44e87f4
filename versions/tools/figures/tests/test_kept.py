"""The files in which measurements are kept."""

from pathlib import Path
from types import ModuleType

import pytest

from figures import rungs, shares
from figures.__main__ import main


@pytest.mark.parametrize("content", [None, "{"])
@pytest.mark.parametrize(("module", "figure"), [(shares, "shares"), (rungs, "roofline_10")])
def test_a_missing_or_damaged_file_is_one_line_with_the_command(
    module: ModuleType, figure: str, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    if content:
        (tmp_path / "versions").mkdir()
        (tmp_path / module.FILE).write_text(content)
    published = module.published
    monkeypatch.setattr(module, "published", lambda: published(tmp_path))
    assert main([figure, "--out", str(tmp_path)]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert f"{module.FILE.as_posix()} can't be read: `nox -s figures -- --measure` writes it" in err
