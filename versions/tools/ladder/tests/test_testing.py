"""What need not run again: small versions whose tests are run by pytest, in environments that are made at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.testing import machine
from ladder.testing.memory import Memory, Record
from ladder.testing.outcome import Counts
from ladder.testing.plan import Plan
from ladder.testing.units import Build

from .conftest import Tree, write

TOOLS = next(path for path in sys.path if path.endswith("site-packages"))  # pytest is there

# What stands in for a build: the package is copied to where it would be installed.
INSTALL = """
import shutil, sys
source, target = sys.argv[1:]
shutil.rmtree(target, ignore_errors=True)
shutil.copytree(source, target)
"""
TESTS = {
    "tests/contract/test_alpha.py": "from resnet50 import alpha\ndef test_alpha():\n    assert alpha.VALUE == 1\n",
    "tests/contract/test_beta.py": "from resnet50 import beta\ndef test_beta():\n    assert beta.VALUE == 1\n",
}
FILES = {
    "src/resnet50/__init__.py": "",
    "src/resnet50/alpha.py": "VALUE = 1\n",
    "src/resnet50/beta.py": "VALUE = 1\n",
    "tests/conftest.py": "import pytest\n",
    **TESTS,
}
ONE, TWO = "01_one/tests/contract/", "02_two/tests/contract/"


@pytest.fixture
def versions(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Two versions, the second of which has another beta.py."""

    def building(self: Plan, version, build: str) -> Build:
        home = tree.root / "build" / version.name / build / "env"
        if not home.exists():
            venv.create(home, symlinks=True)
            [packages] = home.glob("lib/python3*/site-packages")
            write(packages / "tools.pth", f"{TOOLS}\n")
        source, target = version.folder / "src" / "resnet50", packages_of(tree, version.name) / "resnet50"
        command = [sys.executable, "-c", INSTALL, str(source), str(target)]
        return Build(version.name, "build", command, tree.root, dict(os.environ))

    monkeypatch.setattr(Plan, "building", building)
    tree.version("01_one", FILES)
    tree.version("02_two", FILES | {"src/resnet50/beta.py": "VALUE = 2 - 1\n"}, previous="01_one")
    return tree


def forget_the_machine() -> None:
    """It is looked at once in a process."""
    machine.machine.cache_clear()
    machine.compilers.cache_clear()


def packages_of(tree: Tree, name: str) -> Path:
    """The site-packages of a version's environment."""
    return next((tree.root / "build" / name / "release" / "env").glob("lib/python3*/site-packages"))


@pytest.fixture
def run(versions: Tree, capsys: pytest.CaptureFixture[str]) -> Callable[..., set[str]]:
    """Runs `test all`, and returns which test files were run; the exit code must be the given one."""

    def run(*arguments: str, code: int | None = 0, part: str = "all") -> set[str]:
        forget_the_machine()
        found = main(["test", part, *arguments], versions.root)
        out = capsys.readouterr().out
        assert code is None or found == code, out
        return {line.partition(": ")[0] for line in out.splitlines() if ".py: " in line and " in " in line}

    return run


ALL = {ONE + "test_alpha.py", ONE + "test_beta.py", TWO + "test_beta.py"}


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


def test_what_is_edited_added_or_removed_makes_those_run_that_exercise_it(run, versions: Tree):
    run()
    for path, text, again in EDITS:
        if text is None:
            (versions.root / "versions" / path).unlink()
        else:
            versions.write(path, text)
        assert run(code=None) == again, path


FAST_OR_NOT = """
import importlib
try:
    importlib.import_module("resnet50.fast")
except ImportError:
    pass
VALUE = 1
"""


def test_a_module_that_was_looked_for_in_vain_counts_when_it_is_there(run, versions: Tree):
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/src/resnet50/alpha.py", FAST_OR_NOT)
    assert run() == ALL
    versions.write("02_two/src/resnet50/fast.py", "raise RuntimeError('slow')\n")
    assert run(code=1) == {TWO + "test_alpha.py"}


def test_a_file_that_was_opened_in_vain_counts_and_so_does_a_folder_that_was_listed(run, versions: Tree):
    test = (
        "import os\ndef test_alpha():\n    assert not os.listdir('data')\n"
        "    try:\n        open('settings')\n    except OSError:\n        pass\n"
    )
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/tests/contract/test_alpha.py", test)
        (versions.root / "versions" / name / "data").mkdir()
    assert run() == ALL
    versions.write("02_two/settings", "")
    assert run() == {TWO + "test_alpha.py"}
    versions.write("02_two/data/one", "")
    assert run(code=1) == {TWO + "test_alpha.py"}


CHILDREN = {
    "Python": "subprocess.run([sys.executable, '-c', 'import resnet50.beta'], check=True)",
    "Python that ends at once": "subprocess.run([sys.executable, '-c', 'import os, resnet50.beta; os._exit(0)'])",
    "Python that is killed": (
        "subprocess.run([sys.executable, '-c', 'import os, resnet50.beta; os.kill(os.getpid(), 9)'])"
    ),
    "isolated Python": "subprocess.run([sys.executable, '-I', '-c', 'import resnet50.beta'], check=True)",
    "a fork": "import os; pid = os.fork()\n    if not pid:\n        import resnet50.beta; os._exit(0)\n    os.wait()",
    "spawn": (
        "import multiprocessing\n    child = multiprocessing.get_context('spawn').Process(target=__import__,"
        " args=('resnet50.beta',))\n    child.start(); child.join()"
    ),
    "a shell": "subprocess.run(['sh', '-c', f'exec {sys.executable} -c \"import resnet50.beta\"'], check=True)",
    "an argument": "import resnet50 as r; subprocess.run(['cat', r.__path__[0] + '/beta.py'], check=True)",
    "a word in a line": "import resnet50 as r; subprocess.run(f'cat <{r.__path__[0]}/beta.py', shell=True, check=True)",
    "a folder": "import resnet50 as r; subprocess.run(['grep', '-r', 'V', r.__path__[0]], check=True)",
    "no variable": "subprocess.run([sys.executable, '-c', 'import resnet50.beta'], env={}, check=True)",
}


def test_what_children_read_is_exercised(run, versions: Tree):
    """In each version they read its own beta.py, so both versions run them all."""
    for number, child in enumerate(CHILDREN.values()):
        for name in ("01_one", "02_two"):
            text = f"import subprocess, sys\ndef test_{number}():\n    {child}\n"
            versions.write(f"{name}/tests/test_{number}.py", text)
    children = {f"{name}/tests/test_{i}.py" for name in ("01_one", "02_two") for i in range(len(CHILDREN))}
    assert run() == ALL | children
    assert run() == set()


def test_c_counts_as_a_whole_with_how_it_is_built(run, versions: Tree):
    """Whatever loads the extension module: here a stand-in for it, which is opened."""
    test = "import resnet50\ndef test_alpha():\n    open(resnet50.__path__[0] + '/ops.so').close()\n"
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/tests/contract/test_alpha.py", test)
        versions.write(f"{name}/src/resnet50/ops.so", name)
        versions.write(f"{name}/src/resnet50/ops.c", "int x;\n")
        versions.write(f"{name}/meson.build", "project('x')\n")
    assert run() == ALL
    for path in ("ops.c", "ops.h", "../../meson.build"):
        versions.write(f"02_two/src/resnet50/{path}", "int y;\n")
        assert run() == {TWO + "test_alpha.py"}


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


def test_a_run_of_some_tests_is_not_remembered(run):
    assert run("-k", "alpha") == set()  # told as a whole, not by files
    assert run() == ALL


def test_where_arguments_select_nothing_at_all_the_exit_code_is_pytests(run):
    run("-k", "nowhere", code=5)
    run("-k", "alpha")


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


def test_a_library_counts_for_those_that_load_it_and_a_plugin_of_pytest_for_all(run, versions: Tree):
    for name in ("01_one", "02_two"):
        versions.write(f"{name}/src/resnet50/alpha.py", FAST_OR_NOT.replace("resnet50.fast", "fast"))
    assert run() == ALL
    for version, again in (("1.0", {TWO + "test_alpha.py"}), ("1.1", {TWO + "test_alpha.py"})):
        packages = packages_of(versions, "02_two")
        for old in packages.glob("fast-*"):
            shutil.rmtree(old)
        write(packages / f"fast-{version}.dist-info" / "RECORD", "fast.py,,\n")
        write(packages / "fast.py", "")
        assert run() == again
    write(packages / "fast-1.1.dist-info" / "entry_points.txt", "[pytest11]\nfast = fast\n")
    assert run() == {TWO + "test_alpha.py", TWO + "test_beta.py"}


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


LADDER = "import sys; from pathlib import Path; from ladder.tests.test_testing import alone; alone(Path(sys.argv[1]))"


def test_two_runs_at_once_are_safe(run, versions: Tree):
    run()
    shutil.rmtree(versions.root / "build" / "tests")
    runs = [subprocess.Popen([sys.executable, "-c", LADDER, versions.root], stdout=subprocess.PIPE) for _ in "ab"]
    for one in runs:
        out = one.communicate()[0].decode()
        assert one.returncode == 0 and "2 passed" in out, out
    assert run() == set()
    assert not list(versions.root.glob("build/tests/run-*"))


def test_ctrl_c_ends_all_children_and_nothing_of_theirs_is_remembered(run, versions: Tree, tmp_path: Path):
    run()
    text = f"import os, time\ndef test_alpha():\n    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    versions.write("01_one/tests/contract/test_alpha.py", f"{text}    time.sleep(600)\n")
    child = subprocess.Popen([sys.executable, "-c", LADDER, versions.root], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert "ladder: interrupted; what has passed before is remembered" in child.communicate()[1]
    assert child.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    records = [json.loads(file.read_text()) for file in versions.root.glob("build/tests/release/**/*.json")]
    assert all("test_alpha" not in str(record["things"]) or record["part"] == "01_one" for record in records)
    versions.write("01_one/tests/contract/test_alpha.py", TESTS["tests/contract/test_alpha.py"])
    assert run() == set()


def test_what_failed_is_printed_in_full_and_counted(run, versions: Tree, capsys):
    versions.write("02_two/src/resnet50/beta.py", "VALUE = 2\n")
    assert main(["test", "all"], versions.root) == 1
    out = capsys.readouterr().out
    assert "assert beta.VALUE == 1" in out
    assert "01_one: 2 passed in " in out
    assert "02_two: 1 failed in " in out
    assert "the same bytes as in 01_one, run there: test_alpha (1 passed)" in out
    assert "FAILED: tests/contract/test_beta.py" in out


def alone(root: Path) -> None:
    """`test all` in a process of its own, with the builds that are there."""
    Plan.building = lambda self, version, build: Build(version.name, "build", ["true"], root, {})  # type: ignore
    sys.exit(main(["test", "all"], root))
