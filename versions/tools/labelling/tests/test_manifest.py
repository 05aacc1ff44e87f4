"""The manifest: what a kill or a damaged disk leaves of it, and that it takes no memory."""

import json
from pathlib import Path

import pytest

from labelling.entries import BEGINNING, Task, from_line, to_line
from labelling.manifest import Manifest

TASKS = [Task(f"{letter}.jpg", number, 10**18 + number, "net") for number, letter in enumerate("abc")]
LINES = [to_line(task.entry({"label": "cat", "score": 0.5})) for task in TASKS]


def due(path: Path) -> list[str]:
    """The pictures that are to be done according to the manifest."""
    with Manifest(path) as manifest:
        return [task.path for task in TASKS if manifest.needs(task, retry_failed=False)]


def test_a_manifest_that_ends_anywhere_loses_only_the_line_that_was_being_written(tmp_path: Path):
    path, whole = tmp_path / "m.jsonl", b"".join(LINES)
    ends = [sum(map(len, LINES[:count])) for count in range(4)]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        complete = sum(end <= length for end in ends[1:])
        assert due(path) == [task.path for task in TASKS[complete:]]
        assert path.read_bytes() == whole[: ends[complete]]


def test_a_line_longer_than_a_block_that_was_cut_is_removed(tmp_path: Path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(LINES[0] + BEGINNING + b"x" * 200_000)
    assert due(path) == ["b.jpg", "c.jpg"] and path.read_bytes() == LINES[0]


@pytest.mark.parametrize(
    "damaged",
    [
        b"\0" * 20,
        b"{}",
        b"[" * 100_000,
        LINES[1][:-9],
        b'{"path": "b.jpg", "status": "labelled"}',
        b"\xff",
        LINES[1].replace(b'"b.jpg"', b"5").strip(),
        LINES[1].replace(b'"b.jpg"', b'"\\ud800.jpg"').strip(),  # half a letter, which no name can hold
        LINES[1].replace(b'"labelled"', b'"done"').strip(),
        LINES[1].replace(b'"labelled"', b"[]").strip(),
    ],
)
def test_a_damaged_line_counts_for_nothing_and_the_others_count(damaged: bytes, tmp_path: Path, capsys):
    path = tmp_path / "m.jsonl"
    path.write_bytes(LINES[0] + damaged + b"\n" + LINES[2])
    assert due(path) == ["b.jpg"]
    assert "1 line is damaged" in capsys.readouterr().err


def test_the_last_line_about_a_picture_counts(tmp_path: Path):
    path = tmp_path / "m.jsonl"
    failed = to_line(TASKS[0].entry({"reason": "no"}))
    path.write_bytes(LINES[0] + failed)
    with Manifest(path) as manifest:
        assert not manifest.needs(TASKS[0], retry_failed=False) and manifest.needs(TASKS[0], retry_failed=True)
        assert [entry["status"] for entry in manifest.entries()] == ["failed"]
        manifest.add(TASKS[0].entry({"label": "dog", "score": 1.0}))
        assert [entry["label"] for entry in manifest.entries()] == ["dog"]
    assert json.loads(path.read_bytes().splitlines()[-1])["label"] == "dog"


def test_an_entry_is_read_as_it_was_written():
    for path in ("a.jpg", "\udcff\n.jpg", '漢"\\'):
        entry = Task(path, None, None, "net").entry({"reason": "é"})
        line = to_line(entry)
        assert line.startswith(BEGINNING) and line.count(b"\n") == 1 and from_line(line) == entry
