"""The command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from fuzzing.__main__ import main, parser
from ladder.core.versions import ROOT
from ladder.tests.markdown import commands, documents


def test_help_explains(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0 and "AddressSanitizer" in capsys.readouterr().out


def test_help_that_cannot_be_written_is_one_line_and_code_2():
    command = ["sh", "-c", '"$0" -m fuzzing --help >/dev/full', sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "fuzzing: cannot write the output: No space left on device\n")


def test_the_commands_of_the_readmes_are_understood():
    typed = [words for document in documents() for words in commands(document) if words[:3] == ["nox", "-s", "fuzz"]]
    assert len(typed) > 3
    for words in typed:
        parser().parse_args(words[4:])


@pytest.mark.parametrize(
    "arguments",
    [["fuzz"], ["--minutes", "0"], ["--minutes", "nan"], ["--targets", "x"], ["--seed", "x"]],
)
def test_a_wrong_command_gives_one_line_and_code_2(arguments: list[str], capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    err = capsys.readouterr().err
    assert end.value.code == 2 and err.count("\n") == 1 and "--help" in err


@pytest.mark.parametrize("arguments", [[], ["--again", "no_such_file"]])
def test_what_cannot_be_tried_gives_a_sentence(arguments: list[str], tmp_path: Path, capsys):
    assert main(arguments, tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1
