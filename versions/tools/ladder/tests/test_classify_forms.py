"""`classify` for other programs: the forms JSON and CSV, and names on standard input."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from .conftest import ANSWERS, CAT, write


def test_json_is_an_object_for_each_picture_also_for_those_without_an_answer(classify, pics: Path, tmp_path: Path):
    write(tmp_path / "broken.png", "x")
    code, out, err = classify(
        "--json", pics / "chelsea.png", tmp_path / "broken.png", tmp_path / "none.png", "--top", 2
    )
    found = {one.pop("picture"): one for one in map(json.loads, out.splitlines())}
    assert code == 2 and err.count("broken.png: not a picture") == err.count("none.png: there is no such file") == 1
    assert found.keys() == {f"{pics}/chelsea.png", f"{tmp_path}/broken.png", f"{tmp_path}/none.png"}
    cat = found[f"{pics}/chelsea.png"]
    assert [guess["label"] for guess in cat["top"]] == ["cat", "dog"] and 0.88 < cat["top"][0]["probability"] < 0.9
    assert (cat["right"], cat["verdict"], cat["seconds"]) == (["cat"], True, 0.25)
    assert (cat["version"], cat["weights"]) == ("01_one", "cifar10")
    assert found[f"{tmp_path}/broken.png"]["error"] == f"{tmp_path}/broken.png: not a picture"
    assert found[f"{tmp_path}/none.png"]["error"] == f"{tmp_path}/none.png: there is no such file or folder"


def test_csv_is_a_row_for_each_picture(classify, fake, tmp_path: Path):
    name = 'a "quoted",\x1b[2J name.png'
    fake("02_two", ANSWERS | {name: CAT})
    for file in (name, "broken.png"):
        write(tmp_path / file, "x")
    code, out, _ = classify("--csv", tmp_path / name, tmp_path / "broken.png", "--top", 2)
    cat, broken = csv.DictReader(out.splitlines())
    assert code == 2 and cat["picture"] == f"{tmp_path}/{name}"
    assert (cat["label_1"], cat["label_2"], cat["verdict"], cat["error"]) == ("cat", "dog", "", "")
    assert 0.88 < float(cat["probability_1"]) < 0.9 and float(cat["seconds"]) == 0.25
    assert (broken["label_1"], broken["error"]) == ("", f"{tmp_path}/broken.png: not a picture")


def test_verdicts_are_words_in_csv(classify, pics: Path):
    out = classify("--csv", pics / "chelsea.png", pics / "farm", pics / "coin.png")[1]
    assert [row["verdict"] for row in csv.DictReader(out.splitlines())] == ["right", "wrong", ""]


def test_a_name_with_a_carriage_return_stays_one_row_of_csv(classify, fake, tmp_path: Path):
    write(tmp_path / "a\rb.png", "x")
    out = classify("--csv", tmp_path / "a\rb.png")[1]
    assert [row["picture"] for row in csv.DictReader(io.StringIO(out, newline=""))] == [str(tmp_path / "a\rb.png")]


def test_csv_on_a_terminal_cannot_steer_it(classify, fake, tmp_path: Path, monkeypatch):
    fake("02_two", {"\x1b[31m.png": CAT})
    write(tmp_path / "\x1b[31m.png", "x")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    out = classify("--csv", tmp_path / "\x1b[31m.png")[1]
    assert "\x1b" not in out and "\\x1b[31m.png" in out


def test_one_form_at_a_time(classify, capsys):
    with pytest.raises(SystemExit):
        classify("--csv", "--json")
    assert "not allowed with" in capsys.readouterr().err


@pytest.fixture
def typed():
    """Puts bytes on standard input."""
    kept = os.dup(0)

    def put(data: bytes) -> None:
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        os.dup2(read, 0)
        os.close(read)

    yield put
    os.dup2(kept, 0)
    os.close(kept)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0", "\n\n"])
def test_names_come_from_standard_input(end: str, classify, typed, pics: Path):
    typed(end.join([f"{pics}/chelsea.png", f"{pics}/farm", ""]).encode())
    code, out, _ = classify("-", pics / "coin.png", "--json")
    assert code == 0
    assert [json.loads(line)["picture"] for line in out.splitlines()] == [
        f"{pics}/{name}" for name in ("chelsea.png", "farm/horse.png", "coin.png")
    ]


def test_a_name_that_ends_with_a_nul_may_hold_a_line_break(classify, typed, tmp_path: Path):
    typed(f"{tmp_path}/a\nb.png\0".encode())
    [one] = map(json.loads, classify("-", "--json")[1].splitlines())
    assert one["picture"] == f"{tmp_path}/a\nb.png" and "there is no such file" in one["error"]


def test_a_mark_at_the_beginning_is_no_part_of_the_first_name(classify, typed, pics: Path):
    typed(f"\ufeff{pics}/coin.png\n".encode())
    [one] = map(json.loads, classify("-", "--json")[1].splitlines())
    assert one["picture"] == f"{pics}/coin.png"


def test_standard_input_without_a_name_is_a_mistake(classify, typed):
    typed(b"\n")
    code, out, err = classify("-")
    assert (code, out) == (2, "") and "standard input, which `-` stands for, holds no name" in err


def test_a_file_whose_name_is_a_dash_can_be_named(classify, fake, pics: Path, monkeypatch):
    fake("02_two", {"-": CAT})
    write(pics / "-", "x")
    monkeypatch.chdir(pics)
    assert classify("./-")[0] == 0
