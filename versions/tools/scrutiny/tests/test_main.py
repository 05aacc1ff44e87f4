"""The command line: its help, its exit codes, and that nobody ever sees a traceback."""

import pytest

from scrutiny.__main__ import main

COMMANDS = ("rounding", "soak", "checkers", "mutants")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0 and f"usage: scrutiny {command}" in out and len(out) > 200


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no_such_command"],
        ["rounding", "--seeds", "0"],
        ["rounding", "7"],
        ["soak", "--loads", "0"],
        ["checkers", "--seeds", "3"],
    ],
)
def test_a_wrong_command_gives_one_line_and_code_2(arguments: list[str], capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    err = capsys.readouterr().err
    assert end.value.code == 2 and err.count("\n") == 1 and "--help" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_version_gives_one_line_and_code_2(command: str, capsys):
    assert main([command, "--versions", "77"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("scrutiny: there is no version '77'") and err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_tree_gives_one_line_and_code_2(command: str, tmp_path, capsys):
    assert main([command], root=tmp_path) == 2
    err = capsys.readouterr().err
    assert err.startswith("scrutiny: ") and err.count("\n") == 1
