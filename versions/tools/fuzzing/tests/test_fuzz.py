"""Fuzzing: what breaks a promise is seen, whatever it does to its process, kept, and repeated."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from fuzzing import fuzz, process
from fuzzing.__main__ import main
from fuzzing.fuzz import Tally, gist
from fuzzing.process import Child, Verdict
from fuzzing.targets import TARGETS, Target, trials
from ladder.core.errors import LadderError

# What stands in for a version: b"x" is what it cannot bear.
CALLS = """
import __main__, os, signal, sys, time
if sys.argv[1] == "calls.loop":
    __main__.SECONDS = 0.2
class Known(Exception):
    pass
def never(folder):
    raise RuntimeError("cannot begin")
def try_with(act):
    def prepare(folder):
        def call(data):
            print("not an answer")
            if data.startswith(b"x"):
                act()
            if data:
                raise Known("the number 7 is refused")
        return call, (Known,)
    return prepare
def error():
    raise KeyError("what is not named")
def loop():
    while True:
        pass
class Panic(BaseException):
    pass
def panic():
    raise Panic("as Rust does")
error, loop, panic = map(try_with, (error, loop, panic))
dies = try_with(lambda: os.kill(os.getpid(), signal.SIGSEGV))
leaves = try_with(lambda: os._exit(3))
sleeps = try_with(lambda: time.sleep(60))
eats = try_with(lambda: bytearray(300 << 20))
sanitized = try_with(lambda: (os.write(2, b"ERROR: AddressSanitizer: overflow\\n"), os._exit(1)))
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch) -> Callable[[str], Child]:
    """Starts a process with one of CALLS."""
    (tmp_path / "calls.py").write_text(CALLS)
    variables = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda name: Child(Path(sys.executable), f"calls.{name}", tmp_path, variables)


def test_what_is_accepted_and_what_is_refused_by_name_is_as_promised(child):
    with child("error") as started:
        assert started.ask(b"") == Verdict("answered", "")
        assert started.ask(b"1" * 100_000) == Verdict("refused", "Known: the number 7 is refused")
        assert not started.ask(b"1").failed


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("error", "exception", "KeyError: 'what is not named' (calls.py, error)"),
        ("panic", "exception", "Panic: as Rust does (calls.py, panic)"),
        ("dies", "crash", "SIGSEGV"),
        ("leaves", "crash", "exit code 3"),
        ("sanitized", "crash", "ERROR: AddressSanitizer: overflow"),
        ("loop", "hang", "its processor time was used up"),
        ("sleeps", "hang", "no answer for 2 s"),
        ("eats", "memory", "GB in use"),
    ],
)
def test_every_broken_promise_is_seen(child, monkeypatch, name: str, kind: str, text: str):
    monkeypatch.setattr(process, "MOST_MEMORY", 200 << 20)
    with child(name) as started:
        assert not started.ask(b"").failed
        if name == "sleeps":
            monkeypatch.setattr(process, "PATIENCE", 2)
        verdict = started.ask(b"x")
    assert (verdict.kind, verdict.failed) == (kind, True)
    assert text in verdict.text


def test_a_process_that_cannot_begin_says_why(child):
    with pytest.raises(LadderError, match="cannot begin"):
        child("never")


def test_a_process_finds_its_own_modules_where_python_is_told_to_look_in_no_folder(tmp_path: Path):
    """As noxfile.py tells it for a tool that runs where the user stands."""
    with pytest.raises(LadderError, match="has no attribute 'nothing'"):
        Child(Path(sys.executable), "watch.nothing", tmp_path, dict(os.environ) | {"PYTHONSAFEPATH": "1"})


def test_what_fails_is_kept_once_and_can_be_tried_again(child, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "SECONDS", 2)
    monkeypatch.setitem(TARGETS, "made_up", Target(lambda: st.sampled_from([b"", b"1", b"x"]), "calls.error"))
    (tmp_path / "versions" / "01_one").mkdir(parents=True)
    (tmp_path / "versions" / "01_one" / "pyproject.toml").write_text('[project]\nname="x"\n[tool.ladder]\nidea="x"\n')
    assert main(["--targets", "made_up"], tmp_path) == 1
    kept = tmp_path / "build" / "fuzz" / "made_up.tools.2d711642"
    assert kept.read_bytes() == b"x"
    assert "what is not named" in kept.with_name(f"{kept.name}.txt").read_text()
    assert [file.name for file in kept.parent.iterdir() if file.suffix != ".txt"] == [kept.name]
    out = capsys.readouterr().out
    assert f"--again {kept}" in out and "1 ways" in out

    assert main(["--again", str(kept)], tmp_path) == 1
    assert "KeyError" in capsys.readouterr().out
    kept.write_bytes(b"1")
    assert main(["--again", str(kept)], tmp_path) == 0
    monkeypatch.setitem(TARGETS, "made_up", Target(lambda: st.sampled_from([b"", b"1"]), "calls.error"))
    assert main(["--targets", "made_up"], tmp_path) == 0
    assert "0 ways" in capsys.readouterr().out


def test_errors_are_told_apart_by_what_they_say_and_not_by_numbers_or_names():
    some, other = (f"WeightsError: /tmp/{n}/x.safetensors: layer{n}.bias has shape ({n}, 3)" for n in (1, 22))
    assert gist(some) == gist(other)
    tally = Tally()
    for text in ("E: 3 labels", "E: 4 labels", "E: line 2 is empty"):
        tally.count(Verdict("refused", text), Path)
    assert (tally.inputs, len(tally.refused)) == (3, 2)


@pytest.mark.parametrize("name", ["pictures.01_one.12345678", "nothing", "no_such_target.tools.12345678"])
def test_a_file_that_was_not_kept_is_no_input(tmp_path: Path, name: str):
    with pytest.raises(LadderError, match="not an input that `fuzz` kept"):
        fuzz.again(tmp_path, tmp_path / name)


def test_targets_go_to_the_versions_that_take_them(monkeypatch):
    monkeypatch.setattr("ladder.core.environment.python", lambda *which: Path(sys.executable))
    root = Path(__file__).parents[4]

    def places(name: str) -> list[str]:
        return [trial.place for trial in trials(root, [name], [])]

    wanted = ("labels", "quantisation", "operators", "plans", "mnist_digits")
    assert {name: places(name) for name in wanted} == {
        "labels": ["01_pure_python"],
        "quantisation": ["13_int8"],
        "operators": ["03_naive_c", "04_avx2", "05_preload"],
        "plans": [
            "06_no_malloc",
            "07_codegen",
            "08_threads",
            "09_avx512",
            "10_fused",
            "11_prefetch",
            "12_winograd",
            "13_int8",
        ],
        "mnist_digits": ["tools"],
    }
    with pytest.raises(LadderError, match="nothing to try"):
        trials(root, ["plans"], ["01"])
