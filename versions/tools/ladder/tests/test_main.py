"""The command line: its help, its exit codes, and that nobody ever sees a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.chain import lineage
from ladder.core import terminal

from .conftest import Tree

ROOT = Path(__file__).parents[4]

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
    code = (
        "import sys; from ladder import __main__ as m; from ladder.chain import lineage; "
        "from ladder.core import terminal\n"
        "def endless(root):\n"
        "    while True: terminal.output().print('line', end='\\n' * 1000)\n"
        "lineage.lineage = endless\n"
        "sys.exit(m.main(['lineage']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT / "versions" / "tools", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


# Stands in for a tool that has imported its libraries.
TOOL = """
import sys
from ladder.core import command_line
command_line.begin("tool")
from ladder.core import terminal
command_line.run(lambda: eval(sys.argv[1]))
"""
STDOUT = {">&-": "is not open for writing", "1</dev/null": "is not open for writing", ">/dev/full": "No space left on"}


def shell(redirection: str, *command: str) -> subprocess.CompletedProcess:
    """Run Python with `command` in a shell that redirects its streams."""
    words = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, *command]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("prints", ["print('a')", "print('a' * 10**6)", "terminal.output().print('a')"])
@pytest.mark.parametrize("redirection", STDOUT)
def test_output_that_cannot_be_written_is_one_line_and_code_2(redirection: str, prints: str):
    done = shell(redirection, "-c", TOOL, prints)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("tool: cannot write the output: ") and STDOUT[redirection] in done.stderr


@pytest.mark.parametrize("module", ["ladder", "arm", "figures", "labelling", "scrutiny", "shared_weights"])
@pytest.mark.parametrize("redirection", STDOUT)
def test_every_tool_says_when_its_help_cannot_be_written(redirection: str, module: str):
    done = shell(redirection, "-m", module, "--help")
    assert done.returncode == 2 and done.stderr.startswith(f"{module}: cannot write the output: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("redirection", STDOUT)
def test_where_no_output_is_asked_for_stdout_does_not_matter(redirection: str):
    done = shell(redirection, "-c", TOOL, "terminal.note('a note') or 1")
    assert (done.returncode, done.stderr) == (1, "a note\n")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2</dev/null"])
@pytest.mark.parametrize("says", ["terminal.complain('no') or 2", "print('no', file=sys.stderr) or 2"])
def test_an_error_that_cannot_be_shown_keeps_its_code_and_stays_out_of_the_output(redirection: str, says: str):
    done = shell(redirection, "-c", TOOL, says)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize("prints", ["print('a')", "print('a' * 10**6)", "[print('a', flush=True) for _ in range(99)]"])
def test_a_reader_that_has_gone_ends_a_tool_quietly(prints: str):
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as stdout:
        done = subprocess.run([sys.executable, "-c", TOOL, prints], cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_no_file_gets_the_number_of_a_standard_stream_that_is_closed(descriptor: int):
    done = shell(f"{descriptor}>&-", "-c", TOOL, "0 if open('README.md').fileno() > 2 else 1")
    assert done.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [["classify", ""], ["features", ""], ["diff", "--html", ""], ["asm", "04", "conv2d", "--out", ""]],
)
def test_an_empty_name_does_not_mean_the_current_folder(arguments: list[str], capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    err = capsys.readouterr().err
    assert end.value.code == 2 and "an empty name is neither a file nor a folder" in err and err.count("\n") == 1


def test_what_steers_a_terminal_is_written_out_and_letters_of_all_scripts_stay():
    shown = "naïve 漢字 עברית 👨\u200d👩\u200d👧 a\u202fb [red]"
    assert terminal.printable(shown) == shown
    assert terminal.printable("\x1b[1m\r\n\x00\x9b\u2028\u202e\u2066\udcff") == (
        "\\x1b[1m\\r\\n\\x00\\x9b\\u2028\\u202e\\u2066\\udcff"
    )


# Python comes to a module of the tool's own; then Ctrl-C is pressed, in the middle of the imports.
FOREGROUND = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # where these tests may not be
PRESSED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv[1:], module = [], sys.argv[1]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("ladder", "ladder.core.terminal"),
        ("ladder", "rich"),
        ("scrutiny", "ladder.core.versions"),
        ("fuzzing", "fuzzing.targets"),
        ("arm", "arm.check"),
        ("website", "sphinx"),
        ("shared_weights", "numpy"),
        ("cv_basics", "rich"),
    ],
)
def test_ctrl_c_while_libraries_are_imported_shows_no_traceback(module: str, imported: str):
    code = FOREGROUND + PRESSED.replace("sys.argv[2]", repr(imported))
    done = subprocess.run([sys.executable, "-c", code, module], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode in (-signal.SIGINT, 130) and done.stderr == ""


def test_ctrl_c_that_is_to_be_ignored_is_ignored():
    """As behind `nohup` or in a script's background."""
    code = (
        f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{PRESSED.replace('sys.argv[2]', repr('rich'))}"
    )
    done = subprocess.run([sys.executable, "-c", code, "ladder"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "--help" in done.stderr
