"""The first run: that C is being compiled is said, with how far it is, and only what the pictures need is compiled."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ladder.__main__ import main
from ladder.core import terminal
from ladder.core.errors import WorkerError
from ladder.core.precompiled import precompiled
from ladder.core.selection import one_or_newest
from ladder.core.versions import ROOT
from ladder.outputs.loading import COMPILING, TellingWorker, loading, size_for

from .conftest import FAKE, Tree, write

# Stands in for a version's compiler: of TOTAL files the first MISSING have to be compiled.
COMPILER = """
from concurrent.futures import ThreadPoolExecutor, wait
class Compiler:
    def compile(self, text, library):
        pass
def watch(tasks, patience):
    wait(tasks)
def load(missing, total):
    one = lambda number: Compiler().compile("", "") if number < missing else None
    with ThreadPoolExecutor(1) as threads:
        watch([threads.submit(one, number) for number in range(total)], None)
"""


@pytest.fixture
def compiling(tree: Tree, fake):
    """Adds a version that loads a number of compiled files, of which some are missing, and returns its interpreter."""

    def add(name: str, missing: int, total: int) -> Path:
        python = fake(name, {"chelsea.png": [1.0] * 6})
        package = tree.root / "build" / name / "resnet50"
        write(package / "compiler.py", COMPILER)
        write(package / "__main__.py", f"from resnet50 import compiler\ncompiler.load({missing}, {total})\n{FAKE}")
        return python

    return add


def test_a_worker_that_compiles_tells_of_each_file_and_then_answers(compiling, weight_set: Path):
    told: list[tuple[int, int]] = []
    arguments = ("01_one", compiling("01_one", 1, 3), weight_set)
    with TellingWorker(*arguments, told=lambda done, total: told.append((done, total))) as worker:
        assert worker.infer(Path("chelsea.png")).logits.tolist() == [1.0] * 6
    assert len(told) == 3 and max(told) == (3, 3)


def test_nothing_is_told_of_files_that_are_there(compiling, weight_set: Path):
    told: list[tuple[int, int]] = []
    arguments = ("01_one", compiling("01_one", 0, 3), weight_set)
    with TellingWorker(*arguments, told=lambda done, total: told.append((done, total))):
        assert told == []


def test_a_version_that_refuses_its_weights_says_so_in_its_own_line(fake, weight_set: Path):
    with pytest.raises(WorkerError, match=r"^01_one: resnet50: weights\.safetensors: truncated$"):
        TellingWorker("01_one", fake("01_one", {"load": "refuse"}), weight_set)


@pytest.mark.parametrize(("missing", "said"), [(2, 1), (0, 0)])
def test_without_a_terminal_a_line_says_that_c_is_compiled(
    missing: int, said: int, compiling, tree: Tree, pics: Path, weight_set: Path, capsys
):
    compiling("01_one", missing, 5)
    assert main(["classify", "--weights", str(weight_set), str(pics / "chelsea.png")], tree.root) == 0
    assert capsys.readouterr().err.count("compiling C for this processor, once: 5 files ...\n") == said


def test_on_a_terminal_a_bar_says_how_far_it_is(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "notes", lambda: Console(file=screen, force_terminal=True, width=80))
    with loading("01_one") as told:
        before = screen.getvalue()
        told(3, 24)
        told(4, 24)
    assert "loading 01_one" in before and COMPILING not in before
    assert COMPILING in screen.getvalue() and "4 of 24" in screen.getvalue()


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        ([["center_square"], ["resize", 64]], 64),
        ([["resize_shorter", 256], ["center_crop", 192]], 192),
        ([["resize_shorter", 256]], 224),  # the longer side depends on the picture
        ([["center_square"]], 224),
        ([["resize", 2000]], 224),
        ([["resize", "64"]], 224),
        ([["resize", 64.0]], 224),  # versions refuse it
        ([], 224),
        ("x", 224),
    ],
)
def test_the_size_is_that_of_every_prepared_picture(steps: object, size: int, tmp_path: Path):
    assert size_for(tmp_path) == 224
    write(tmp_path / "preprocess.json", json.dumps({"steps": steps}))
    assert size_for(tmp_path) == size


def test_the_size_is_found_behind_a_byte_order_mark_and_not_looked_for_in_depths(tmp_path: Path):
    file = tmp_path / "preprocess.json"
    file.write_bytes(b'\xef\xbb\xbf{"steps": [["resize", 64]]}')
    assert size_for(tmp_path) == 64
    file.write_text("[" * 100_000)
    assert size_for(tmp_path) == 224


def test_only_what_the_pictures_need_is_compiled_and_only_once(tmp_path: Path, monkeypatch, capsys):
    newest = one_or_newest(ROOT, None)
    if not newest.generates:
        pytest.skip(f"{newest.name}, the newest that runs here, compiles nothing")
    monkeypatch.setenv("RESNET50_CACHE", str(tmp_path / "cache"))
    command = ["classify", "--weights", "cifar10", str(ROOT / "pics" / "chelsea.png")]
    with precompiled([newest]):
        assert main(command) == 0
        said = capsys.readouterr().err
        made = sorted((tmp_path / "cache").rglob("*.so"))
        assert f"{COMPILING}: {len(made)} files ...\n" in said
        for more in ([], ["--html", str(tmp_path / "page.html")]):
            assert main([*command, *more]) == 0
            assert COMPILING not in capsys.readouterr().err
    assert sorted((tmp_path / "cache").rglob("*.so")) == made
