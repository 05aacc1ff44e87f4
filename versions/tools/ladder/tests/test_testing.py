"""What need not run again: a test file that has passed, where nothing that it exercises has changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core import environment
from ladder.testing import machine, process
from ladder.testing.memory import Memory, Record
from ladder.testing.outcome import Counts

from .conftest import Tree, write
from .small_versions import ALL, ONE, TESTS, TWO, forget_the_machine, run, versions, with_pytest

__all__ = ["run", "versions", "with_pytest"]  # fixtures


def test_a_file_whose_test_and_all_that_it_exercises_are_the_same_runs_in_the_first_version_only(run):
    assert run() == ALL


def test_nothing_runs_again_until_something_changes(run):
    run()
    assert run() == set()


EDITS = [  # made one after the other: a file below versions, its new text, and which tests run then
    ("02_two/README.md", "# new\n", set()),
    ("01_one/src/resnet50/alpha.py", "VALUE = 1  # new\n", {ONE + "test_alpha.py"}),
    ("02_two/src/resnet50/alpha.py", "VALUE = 1  # newer\n", {TWO + "test_alpha.py"}),
    ("02_two/src/resnet50/beta.py", "VALUE = 3 - 2\n", {TWO + "test_beta.py"}),
    ("02_two/src/resnet50/gamma.py", "VALUE = 1\n", set()),
    ("02_two/src/resnet50/alpha/__init__.py", "VALUE = 1\n", {TWO + "test_alpha.py"}),
    ("02_two/tests/contract/test_beta.py", "def test_nothing():\n    pass\n", {TWO + "test_beta.py"}),
    ("02_two/tests/contract/test_gamma.py", "def test_nothing():\n    pass\n", {TWO + "test_gamma.py"}),
    ("02_two/tests/contract/test_gamma.py", None, set()),
    ("02_two/src/resnet50/__init__.py", "# new\n", {TWO + "test_alpha.py"}),
    ("02_two/tests/conftest.py", "# new\n", {TWO + "test_alpha.py", TWO + "test_beta.py"}),
    ("02_two/tests/contract/conftest.py", "# new\n", {TWO + "test_alpha.py", TWO + "test_beta.py"}),
    ("02_two/tests/json.py", "raise SystemExit\n", {TWO + "test_alpha.py", TWO + "test_beta.py"}),
    ("02_two/tests/json.py", None, {TWO + "test_alpha.py", TWO + "test_beta.py"}),
    ("02_two/pytest.ini", "[pytest]\n", {TWO + "test_alpha.py", TWO + "test_beta.py"}),
]


def test_what_is_edited_added_or_removed_makes_those_run_that_exercise_it(run, with_pytest, versions: Tree):
    run()
    for path, text, again in EDITS:
        if text is None:
            (versions.root / "versions" / path).unlink()
        else:
            versions.write(path, text)
        assert run(code=None) == again, path


def test_a_file_that_has_failed_is_not_remembered_here_or_elsewhere(run, versions: Tree):
    versions.write("01_one/src/resnet50/beta.py", "VALUE = 2\n")
    assert run(code=1) == ALL
    assert run(code=1) == {ONE + "test_beta.py"}


def test_a_file_that_fails_the_second_time_is_forgotten(run, versions: Tree, tmp_path: Path):
    (tmp_path / "fine").touch()
    for name in ("01_one", "02_two"):
        text = f"import os\ndef test_alpha():\n    assert os.path.exists({str(tmp_path / 'fine')!r})\n"
        versions.write(f"{name}/tests/contract/test_alpha.py", text)
    assert run() == ALL
    (tmp_path / "fine").unlink()
    assert run() == set()  # a file elsewhere is not known of
    assert run("--every", code=1) == ALL | {TWO + "test_alpha.py"}
    assert run(code=1) == {ONE + "test_alpha.py", TWO + "test_alpha.py"}


def test_a_run_of_some_tests_is_not_remembered(run, with_pytest):
    assert run("-k", "alpha") == set()  # told as a whole, not by files
    assert run() == ALL


def test_where_arguments_select_nothing_at_all_the_exit_code_is_pytests(run):
    run("-k", "nowhere", code=5)
    run("-k", "alpha")


def test_some_of_all_versions_can_be_chosen(run, capsys):
    assert run("--versions", "02_two") == {TWO + "test_alpha.py", TWO + "test_beta.py"}
    assert main(["test", "02_two", "--versions", "01_one"]) == 2
    assert "so the part must be `all`" in capsys.readouterr().err


def test_a_file_without_tests_fails(run, versions: Tree):
    versions.write("01_one/tests/contract/test_beta.py", "def no_test():\n    pass\n")
    run(code=1)


def test_a_test_that_hangs_is_stopped_and_fails(run, versions: Tree, monkeypatch):
    monkeypatch.setattr(process, "LIMIT", 3)
    versions.write("01_one/tests/contract/test_beta.py", "import time\ndef test_beta():\n    time.sleep(600)\n")
    start = time.monotonic()
    run(code=1)
    assert time.monotonic() - start < 300


def test_what_was_installed_from_other_files_is_not_remembered(run, monkeypatch):
    monkeypatch.setattr(environment, "is_current", lambda version, build: version.name != "01_one")
    assert run() == ALL | {TWO + "test_alpha.py"}
    assert run() == {ONE + "test_beta.py"}  # test_alpha.py is the same in both


def test_every_and_a_single_part_run_all(run):
    run()
    everything = ALL | {TWO + "test_alpha.py"}
    assert run("--every") == everything
    assert run(part="02") == {name for name in everything if name.startswith("02")}
    assert run() == set()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"things": {}}', '{"part": "01_one", "machine": 1}', "\udcff"])
def test_a_damaged_record_is_none(content: str, tmp_path: Path):
    memory, record = Memory(tmp_path), Record("01_one", "this", {"project": "a"}, Counts(passed=3), 1.5)
    memory.write("02_two", "tests/test_alpha.py", record)
    assert memory.read("02_two", "tests/test_alpha.py") == record
    memory.place("02_two", "tests/test_alpha.py").write_bytes(os.fsencode(content))
    assert memory.read("02_two", "tests/test_alpha.py") is None


def test_another_variable_makes_all_run_again(run, monkeypatch):
    run()
    monkeypatch.setenv("RESNET50_ISA", "avx2")
    assert run() == ALL


def test_the_state_of_the_machine_is_compiler_interpreter_variables_programs_and_processor(tmp_path, monkeypatch):
    """It is another one after each of the changes, and the same without any."""
    python = tmp_path / "env" / "bin" / "python"
    write(tmp_path / "env" / "pyvenv.cfg", "version = 3.11.7\n")
    write(tmp_path / "cc", "#!/bin/sh\necho a compiler\n")
    (tmp_path / "cc").chmod(0o755)
    changes = [
        lambda: None,
        lambda: monkeypatch.setenv("CC", str(tmp_path / "cc")),
        lambda: write(tmp_path / "cc", "#!/bin/sh\necho a newer compiler\n"),
        lambda: write(tmp_path / "env" / "pyvenv.cfg", "version = 3.12.1\n"),
        lambda: monkeypatch.setenv("CFLAGS", "-O1"),
        lambda: monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}"),
        lambda: write(tmp_path / "a new program", ""),
        lambda: monkeypatch.setattr(machine.processor, "features", lambda: frozenset({"x86_64"})),
        lambda: monkeypatch.setattr(machine.processor, "processors", lambda: 77),
        lambda: monkeypatch.setattr(machine, "limits", lambda: [0o077]),
    ]
    states = []
    for change in changes:
        change()
        for _ in range(2):
            forget_the_machine()
            states.append(machine.state(python, "release"))
    assert states[::2] == states[1::2] and len(set(states)) == len(changes)
    assert machine.state(python, "sanitize") not in states


def test_an_edit_while_a_test_runs_is_seen(run, versions: Tree):
    """The test edits what it has loaded, so nobody knows which of the two has passed."""
    test = (
        "from pathlib import Path\nfrom resnet50 import alpha\ndef test_alpha():\n"
        "    Path(alpha.__file__).write_text('VALUE = 1 # edited\\n')\n"
    )
    versions.write("01_one/tests/contract/test_alpha.py", test)
    assert run() == ALL | {TWO + "test_alpha.py"}
    assert run() == {ONE + "test_alpha.py"}


def test_an_edit_of_a_tests_own_file_while_it_runs_is_seen(run, versions: Tree):
    """No build undoes this edit, so only the comparison with the beginning of the run can see it."""
    test = (
        "from pathlib import Path\nHELPER = Path(__file__).with_name('helper.txt')\ndef test_alpha():\n"
        "    assert HELPER.read_text() == 'before'\n    HELPER.write_text('after')\n"
    )
    versions.write("01_one/tests/contract/helper.txt", "before")
    versions.write("01_one/tests/contract/test_alpha.py", test)
    run()
    assert not list(versions.root.glob("build/tests/release/01_one/**/test_alpha.py.json"))


LADDER = "import sys; from pathlib import Path; from ladder.tests.small_versions import alone; alone(Path(sys.argv[1]))"


def test_two_runs_at_once_are_safe(run, versions: Tree):
    run()
    shutil.rmtree(versions.root / "build" / "tests")
    runs = [subprocess.Popen([sys.executable, "-c", LADDER, versions.root], stdout=subprocess.PIPE) for _ in "ab"]
    for one in runs:
        out = one.communicate()[0].decode()
        assert one.returncode == 0 and "FAILED" not in out and "01_one: " in out, out  # or remembered from the other
    assert run() == set()
    assert not list(versions.root.glob("build/tests/run-*"))


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_all_children_and_nothing_of_theirs_is_remembered(way: int, run, versions: Tree, tmp_path: Path):
    run()
    text = f"import os, time\ndef test_alpha():\n    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    versions.write("01_one/tests/contract/test_alpha.py", f"{text}    time.sleep(600)\n")
    child = subprocess.Popen([sys.executable, "-c", LADDER, versions.root], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    child.send_signal(way)
    assert "ladder: interrupted; what has passed before is remembered" in child.communicate()[1]
    assert child.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    records = [json.loads(file.read_text()) for file in versions.root.glob("build/tests/release/**/*.json")]
    assert all("test_alpha" not in str(record["things"]) or record["part"] == "01_one" for record in records)
    versions.write("01_one/tests/contract/test_alpha.py", TESTS["tests/contract/test_alpha.py"])
    assert run() == set()


def test_what_failed_is_printed_in_full_and_counted(run, with_pytest, versions: Tree, capsys):
    versions.write("02_two/src/resnet50/beta.py", "VALUE = 2\n")
    assert main(["test", "all"], versions.root) == 1
    out = capsys.readouterr().out
    assert "assert beta.VALUE == 1" in out
    assert "01_one: 2 passed in " in out
    assert "02_two: 1 failed in " in out
    assert "the same bytes as in 01_one, run there: test_alpha (1 passed)" in out
    assert "FAILED: tests/contract/test_beta.py" in out
