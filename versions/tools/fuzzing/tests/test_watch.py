"""What happens while an input is read is seen: a program that is started, a file that is changed at a given moment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from watch import alone, changing


@pytest.mark.parametrize("start", [lambda: subprocess.run([sys.executable, "-c", ""]), lambda: os.system(":")])
def test_a_program_that_is_started_is_seen_whatever_becomes_of_it(start):
    def call(data: bytes) -> None:
        if data:
            start()
        raise KeyError("as a reader may")

    watched = alone(call)
    with pytest.raises(KeyError):
        watched(b"")
    with pytest.raises(AssertionError, match="a program was started"):
        watched(b"x")


@pytest.mark.parametrize(
    ("how", "content"),
    [("cut", b"ab"), ("grow", b"abcdefgh" + b"!" * 3), ("overwrite", b"ab" + b"!" * 400), ("replace", b"ab!!!!gh")],
)
def test_a_file_is_changed_between_two_reads(tmp_path: Path, how: str, content: bytes):
    file = tmp_path / "file"
    file.write_bytes(b"abcdefgh")
    given = {"opened": False, "at": 1, "how": how, "place": 2, "byte": ord("!")}
    with file.open("rb", buffering=0) as opened, changing(file, given):
        first = opened.read(2)
        second = opened.read(1000)
    assert first == b"ab"
    assert file.read_bytes() == content
    assert second == (b"cdefgh" if how == "replace" else content[2:])


def test_a_file_is_removed_and_one_that_is_read_to_the_end_before_is_left_alone(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with changing(file, {"opened": False, "at": 1000, "how": "remove", "place": 0, "byte": 0}):
        len("read")
    assert file.exists()
    with changing(file, {"opened": False, "at": 0, "how": "remove", "place": 0, "byte": 0}):
        len("read")
    assert not file.exists()


def test_calls_are_counted_from_where_the_file_is_opened_if_that_is_asked(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"abcdefgh")
    other.touch()
    with changing(file, {"opened": True, "at": 1, "how": "cut", "place": 2, "byte": 0}):
        for _ in range(20):
            os.close(os.open(other, os.O_RDONLY))
        descriptor = os.open("file", os.O_RDONLY)
        parts = os.read(descriptor, 1), os.read(descriptor, 100)
    os.close(descriptor)
    assert parts == (b"a", b"b")


def test_a_file_that_is_never_opened_is_left_alone(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with changing(file, {"opened": True, "at": 0, "how": "remove", "place": 0, "byte": 0}):
        len("read")
    file.open().close()
    len("read")
    assert file.exists()
