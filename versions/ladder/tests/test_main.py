"""The command line: its help, its exit codes, and that nobody ever sees a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from ladder import __main__ as command_line
from ladder import lineage
from ladder.__main__ import main

from .conftest import Tree

COMMANDS = ("classify", "compare", "bench", "diff", "lineage", "carry", "new", "asm", "test", "build", "reference")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0 and f"usage: ladder {command}" in out and len(out) > 200


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no_such_command"],
        ["lineage", "--new\nline"],
        ["classify", "--top", "0"],
        ["bench", "--size", "31"],
        ["bench", "--size", "1025"],
        ["bench", "--seconds", "0"],
        ["carry"],
        ["lineage", "x"],
        ["diff", "--full", "--stat"],
        ["asm", "04"],
        ["test", "04", "--build", "debug"],
    ],
)
def test_a_wrong_command_gives_one_line_and_code_2(arguments: list[str], capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    err = capsys.readouterr().err
    assert end.value.code == 2 and err.count("\n") == 1 and "--help" in err


@pytest.mark.parametrize(
    "command",
    [
        ["classify"],
        ["compare"],
        ["bench"],
        ["diff"],
        ["diff", "01"],
        ["lineage"],
        ["carry", "01"],
        ["new", "a", "--idea=b"],
        ["asm", "01", "conv2d"],
        ["test", "01"],
        ["build", "01"],
    ],
)
def test_a_tree_without_versions_gives_a_sentence(command: list[str], tmp_path: Path, capsys):
    assert main(command, tmp_path) == 2
    assert "holds no version" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(tree: Tree, monkeypatch):
    def interrupted(root: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(lineage, "lineage", interrupted)
    assert main(["lineage"], tree.root) == 130


def test_an_error_of_the_system_names_the_file(tree: Tree, monkeypatch, capsys):
    def unwritable(root: Path) -> int:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(lineage, "lineage", unwritable)
    assert main(["lineage"], tree.root) == 2
    assert capsys.readouterr().err == "ladder: /some/file: Permission denied\n"


def test_a_reader_that_has_seen_enough_ends_the_tool_without_a_traceback():
    """As in `ladder lineage | head -1`: the pipe is closed while the tool writes."""
    root = Path(command_line.__file__).parents[2]
    code = (
        "import sys; from ladder import __main__ as m, lineage, terminal\n"
        "def endless(root):\n"
        "    while True: terminal.output().print('line', end='\\n' * 1000)\n"
        "lineage.lineage = endless\n"
        "sys.exit(m.main(['lineage']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root / "versions", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
