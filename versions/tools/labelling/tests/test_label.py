"""Labelling a folder: a row for each picture, what is done again, and what is refused."""

import fcntl
import json
import os
import sqlite3
from pathlib import Path

import pytest

from labelling import progress as module
from labelling.__main__ import main
from labelling.manifest import Manifest
from ladder.tests.conftest import LABELS, write

from .conftest import Label, names, rows


def test_every_picture_gets_a_row_with_its_label(label: Label, photos: Path, tmp_path: Path, capsys):
    write(photos / "notes.txt", "no picture")
    assert label() == 0
    found = rows(tmp_path / "results.csv")
    assert found.keys() == names(photos) - {"notes.txt"}
    for path, row in found.items():
        number, score = (photos / path).read_text().split()
        assert row == {
            "path": path,
            "status": "labelled",
            "label": LABELS[int(number)],
            "score": row["score"],
            "reason": "",
        }
        assert float(row["score"]) == float(score)
    out = capsys.readouterr().out
    assert "40 pictures, 40 of them labelled" in out and "40 were done in this run" in out


def test_the_rows_are_in_the_order_of_their_paths(label: Label, tmp_path: Path):
    label()
    found = list(rows(tmp_path / "results.csv"))
    assert found == sorted(found)


def test_the_manifest_says_what_each_label_was_made_from(label: Label, photos: Path, tmp_path: Path):
    label()
    entries = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(entries) == 40
    for entry in entries:
        status = (photos / entry["path"]).stat()
        assert (entry["size"], entry["mtime"]) == (status.st_size, status.st_mtime_ns)
        assert entry["network"].startswith("01_one small ") and entry["status"] == "labelled"


def test_the_manifest_alone_is_kept_if_that_is_asked_for(label: Label, tmp_path: Path):
    assert label(out=tmp_path / "all.jsonl") == 0
    assert (tmp_path / "all.jsonl").read_text().count("\n") == 40 and not (tmp_path / "all.csv").exists()
    assert label(out=tmp_path / "all.csv") == 0
    assert len(rows(tmp_path / "all.csv")) == 40 and (tmp_path / "all.jsonl").read_text().count("\n") == 40


BAD = {
    "hang": "it took longer than 1 s",
    "crash": "its process ended by SIGSEGV",
    "kill": "its process was killed, as the system does when memory is short",
    "leave": "its process ended with exit code 3",
    "eat": "not enough memory for this picture",
    "bug": "its process ended with exit code 1",
    "junk": "is not a picture",
    "long": "x" * 300,
}


def test_a_bad_picture_is_a_row_with_its_reason_and_harms_no_other(label: Label, photos: Path, tmp_path: Path, capsys):
    for name in BAD:
        write(photos / f"{name}.jpg", name)
    write(photos / "print.jpg", "print")
    (photos / "nowhere.jpg").symlink_to("none")
    assert label("--time-limit", "1", "--memory-limit", "200") == 0
    found = rows(tmp_path / "results.csv")
    assert found.keys() == names(photos)
    for name, reason in BAD.items():
        row = found[f"{name}.jpg"]
        assert (row["status"], row["label"], row["score"], row["reason"]) == ("failed", "", "", reason)
    assert found["nowhere.jpg"]["reason"] == "No such file or directory"
    assert sum(row["status"] == "labelled" for row in found.values()) == 41
    assert "9 failed" in capsys.readouterr().out


def test_names_of_every_kind_are_kept(label: Label, photos: Path, tmp_path: Path):
    strange = [
        "line\nbreak.jpg",
        "carriage\rreturn.jpg",
        'quote",comma.jpg',
        "\x1b[31m.jpg",
        " .jpg",
        "漢字.jpg",
        "-rf.jpg",
        "=1+1.jpg",
        "😀.jpg",
    ]
    for name in strange:
        write(photos / name, "1 0.5")
    write(photos / "\udcff.jpg", "2 0.5")  # a byte that is not UTF-8
    assert label() == 0
    found = rows(tmp_path / "results.csv")
    assert found.keys() >= {*strange, "\\udcff.jpg"} and found["\\udcff.jpg"]["label"] == LABELS[2]
    assert {json.loads(line)["path"] for line in (tmp_path / "results.jsonl").read_text().splitlines()} == names(photos)
    before = (tmp_path / "results.jsonl").read_bytes()
    assert label() == 0 and (tmp_path / "results.jsonl").read_bytes() == before


def test_what_has_a_line_is_not_looked_at_again(label: Label, tmp_path: Path, capsys):
    label()
    before = (tmp_path / "results.jsonl").read_bytes(), (tmp_path / "results.csv").read_bytes()
    capsys.readouterr()
    assert label() == 0
    assert before == ((tmp_path / "results.jsonl").read_bytes(), (tmp_path / "results.csv").read_bytes())
    assert "looked at" not in capsys.readouterr().out


def test_a_picture_that_has_changed_is_done_again(label: Label, photos: Path, tmp_path: Path, capsys):
    label()
    write(photos / "0" / "0.jpg", "5 0.99")
    os.utime(photos / "1" / "1.jpg", ns=(1, 1))
    assert label() == 0
    assert "2 were done in this run" in capsys.readouterr().out
    assert rows(tmp_path / "results.csv")["0/0.jpg"]["label"] == LABELS[5]


def test_another_network_does_all_again(label: Label, project, weights: Path, tmp_path: Path, capsys):
    label()
    for change in (
        lambda: write(weights / "weights.safetensors", "other"),
        lambda: write(weights / "preprocess.json", "{ }"),
        lambda: project.write("01_one/src/resnet50/network.py", "two\n"),
    ):
        change()
        capsys.readouterr()
        assert label() == 0 and "40 were done in this run" in capsys.readouterr().out
    project.write("01_one/README.md", "# other words\n")
    assert label() == 0 and "looked at" not in capsys.readouterr().out


def test_bad_pictures_are_tried_again_only_if_asked(label: Label, photos: Path, tmp_path: Path, capsys):
    write(photos / "junk.jpg", "junk")
    status = (photos / "junk.jpg").stat()
    label()
    write(photos / "junk.jpg", "0 .5")  # as long, and with the same time below: such as a disk that works again
    os.utime(photos / "junk.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert label() == 0 and rows(tmp_path / "results.csv")["junk.jpg"]["status"] == "failed"
    capsys.readouterr()
    assert label("--retry-failed") == 0
    assert rows(tmp_path / "results.csv")["junk.jpg"]["status"] == "labelled"
    out = capsys.readouterr().out
    assert "1 were done" in out and "failed" not in out


def test_a_picture_that_is_gone_has_no_row_but_keeps_its_line(label: Label, photos: Path, tmp_path: Path, capsys):
    label()
    (photos / "0" / "0.jpg").rename(photos / "away")
    assert label() == 0
    assert "0/0.jpg" not in rows(tmp_path / "results.csv") and "1 of earlier runs" in capsys.readouterr().out
    (photos / "away").rename(photos / "0" / "0.jpg")
    assert label() == 0 and "0/0.jpg" in rows(tmp_path / "results.csv")
    assert (tmp_path / "results.jsonl").read_text().count("\n") == 40


def test_two_runs_on_one_file_refuse_each_other(label: Label, tmp_path: Path, capsys):
    label()
    before = (tmp_path / "results.jsonl").read_bytes()
    with open(tmp_path / "results.jsonl", "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert label() == 2
        assert "results.jsonl: another run is writing to it\n" in capsys.readouterr().err
    assert (tmp_path / "results.jsonl").read_bytes() == before
    assert label() == 0


@pytest.mark.parametrize("content", ["a table\n", "{}\n", "hello", '{"path": 1}', "\n"])
def test_a_file_that_is_none_of_ours_is_left_as_it_is(content: str, label: Label, tmp_path: Path, capsys):
    write(tmp_path / "results.jsonl", content)
    assert label() == 2 and "is not a manifest; it is left as it is" in capsys.readouterr().err
    assert (tmp_path / "results.jsonl").read_text() == content and not (tmp_path / "results.csv").exists()


def test_files_of_others_in_a_folder_called_as_that_of_the_parts_are_left_as_they_are(label: Label, tmp_path: Path):
    write(tmp_path / "results.parts" / "my.own.jsonl", '{"my": "own"}\n')
    (tmp_path / "results.parts" / "a.folder.jsonl").mkdir()
    assert label() == 0
    assert names(tmp_path / "results.parts") == {"my.own.jsonl"}
    assert (tmp_path / "results.parts" / "my.own.jsonl").read_text() == '{"my": "own"}\n'


def test_a_table_without_a_manifest_is_left_as_it_is(label: Label, tmp_path: Path, capsys):
    write(tmp_path / "results.csv", "my own table\n")
    assert label() == 2 and "exists already, but not results.jsonl" in capsys.readouterr().err
    assert (tmp_path / "results.csv").read_text() == "my own table\n" and not (tmp_path / "results.jsonl").exists()


def test_a_network_that_cannot_be_loaded_is_one_line_and_nothing_is_lost(label: Label, weights: Path, tmp_path, capsys):
    label()
    before = (tmp_path / "results.jsonl").read_bytes()
    write(weights / "weights.safetensors", "damaged")
    assert label() == 2
    assert capsys.readouterr().err.endswith(f"labelling: 01_one: {weights}: damaged\n")
    assert (tmp_path / "results.jsonl").read_bytes() == before


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_done(label: Label, tmp_path: Path, monkeypatch, capsys):
    scandir = os.scandir

    def forbidden(place):
        if str(place).endswith("/1"):
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", forbidden)  # root may look everywhere
    assert label() == 2
    assert capsys.readouterr().err.count("photos/1: Permission denied\n") == 1
    assert len(rows(tmp_path / "results.csv")) == 27


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--out", "a.csv"], "nowhere: there is no such folder"),
        (["", "--out", "a.csv"], "an empty name"),
        ([".", "--out", "a.txt"], "a.txt ends neither with .csv nor with .jsonl"),
        (["."], "--out"),
        ([".", "--out", "none/a.csv"], "none/a.jsonl: No such file or directory"),
        ([".", "--out", "a.csv", "--processes", "0"], "0 is not a whole number above 0"),
        ([".", "--out", "a.csv", "--processes", "1025"], "1025 is more than 1,024"),
        ([".", "--out", "a.csv", "--time-limit", "9" * 20], "is more than 1,000,000"),
        ([".", "--out", "a.csv", "--memory-limit", "9" * 20], "is more than 1,000,000"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    arguments: list[str], words: str, project, weights, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    try:
        code = main([*arguments, "--weights", str(weights)], project.root)
    except SystemExit as end:
        code = end.code
    err = capsys.readouterr().err
    assert code == 2 and words in err and err.splitlines()[-1].startswith("labelling: ")
    assert not (tmp_path / "a.jsonl").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no disk that is always full")
def test_a_full_disk_is_told_with_the_file_that_has_no_room(label: Label, tmp_path: Path, monkeypatch, capsys):
    def add(self: Manifest, *arguments: object, **settings: object) -> None:
        with open("/dev/full", "ab", buffering=0) as self.file:
            adding(self, *arguments, **settings)

    adding = Manifest.add
    monkeypatch.setattr(Manifest, "add", add)
    assert label() == 2
    assert f"{tmp_path / 'results.jsonl'}: No space left on device" in capsys.readouterr().err


def test_no_room_for_the_index_is_told_in_a_line(label: Label, monkeypatch, capsys):
    def full(*arguments: object, **settings: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Manifest, "_note", full)
    assert label() == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("can't be used: database or disk is full")


def test_a_system_without_fork_is_told_so(label: Label, monkeypatch, capsys):
    monkeypatch.delattr(os, "fork")
    assert label() == 2 and "it needs a system whose processes can fork" in capsys.readouterr().err


def test_without_a_terminal_a_line_a_minute_says_how_far_it_is(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with module.progress(1000) as counter:
        for _ in range(130):
            now += 1.0
            counter.step()
    assert capsys.readouterr().err.splitlines() == [
        "60 of 1,000; 1 pictures/s; 16 min left",
        "120 of 1,000; 1 pictures/s; 15 min left",
    ]
    assert module.span(3 * 3600 + 29 * 60 + 31) == "3 h 30 min"


def test_an_empty_folder_gives_an_empty_table(project, weights: Path, tmp_path: Path, capsys):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "a.csv"
    assert main([str(tmp_path / "empty"), "--out", str(out), "--weights", str(weights)], project.root) == 0
    assert out.read_text() == "path,status,label,score,reason\n" and "0 pictures" in capsys.readouterr().out
