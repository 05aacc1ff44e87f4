"""Naming pictures: verdicts, what counts as a picture, and what is said about those that are none."""

from pathlib import Path

import numpy as np
import pytest

from ladder.__main__ import main
from ladder.core.pictures import Picture
from ladder.outputs.classify import duration
from ladder.outputs.naming import Named, likeliest

from .conftest import ANSWERS, CAT, HORSE, LABELS, Tree, write


def row(output: str, name: str) -> str:
    """The line of the table that begins with a picture's name."""
    [line] = [line for line in output.splitlines() if line.strip().startswith(name)]
    return line


def test_the_verdict_compares_the_likeliest_label_with_the_truth():
    guesses = [("cat", 0.9), ("dog", 0.1)]
    picture = Picture(Path("a"), "a")
    assert Named(Picture(Path("a"), "a", right=frozenset({"tabby", "cat"})), guesses, 1.0).verdict is True
    assert Named(Picture(Path("a"), "a", right=frozenset({"dog"})), guesses, 1.0).verdict is False
    assert Named(picture, guesses, 1.0).verdict is None


def test_probabilities_are_the_softmax_of_the_logits():
    # exp(ln 6), exp(ln 3), exp(ln 1) over their sum; a large offset must not overflow
    logits = np.log([1.0, 6.0, 3.0]) + 1000
    named = likeliest(logits, ["a", "b", "c"], 2)
    assert [label for label, _ in named] == ["b", "c"]
    # the offset costs 1000 * 2**-53 in each logit, so that much relatively in each probability
    assert [probability for _, probability in named] == pytest.approx([0.6, 0.3], rel=4 * 1000 * 2**-53)


def test_all_own_pictures_are_judged_by_default(classify):
    code, out, _ = classify()
    assert code == 0
    assert "right" in row(out, "chelsea.png") and "cat 89.0%" in row(out, "chelsea.png")
    assert "wrong" in row(out, "farm/horse.png")
    assert " - " in row(out, "coin.png")
    assert "1 of 2 right (50.0%); no verdict on 1" in out
    assert "Mean latency 250 ms, the inference alone.\n" in out
    assert "Version 01_one (the idea of 01_one), weight set cifar10." in out
    for label in LABELS[:5]:
        assert f"{label} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_picture_that_nobody_has_labelled_yet_is_shown_too(classify, fake, pics: Path):
    fake("02_two", ANSWERS | {"new.jpg": HORSE})
    write(pics / "farm" / "new.jpg", "x")
    code, out, _ = classify()
    assert code == 0 and " - " in row(out, "farm/new.jpg") and "no verdict on 2" in out


def test_fewer_labels_on_demand(classify):
    _, out, _ = classify("--top", 1)
    assert "top 1" in out and "dog" not in out.partition("of 2 right")[0]


def test_the_newest_version_that_runs_here_is_taken(classify, fake):
    fake("02_two", ANSWERS, previous="01_one")
    fake("03_three", ANSWERS, requires=["imaginary"])
    fake("04_four", ANSWERS, int8=True)
    code, out, err = classify()
    assert code == 0 and "Version 02_two" in out
    assert "03_three is skipped: this processor lacks imaginary" in err
    assert "Version 01_one" in classify("--version", "01")[1]
    assert "Version 04_four" in classify("--version", "04")[1]
    code, out, err = classify("--version", "03_three")
    assert (code, out) == (2, "") and "imaginary" in err


def test_folders_are_searched_recursively_and_truths_kept(classify, pics: Path, tmp_path: Path):
    for name in ("photos/b.JPG", "photos/deep/a.png", "photos/notes.txt", "photos/.hidden.png", "photos/.thumbs/c.png"):
        write(tmp_path / name, "x")
    code, out, err = classify(tmp_path / "photos", pics / "farm", "--top", 1)
    assert code == 2  # the fake knows neither a.png nor b.JPG
    assert err.count(": not a picture\n") == 2
    assert "notes.txt" not in err and "hidden" not in err and "thumbs" not in err
    assert "0 of 1 right" in out


def test_what_cannot_be_read_gets_a_line_and_the_rest_is_named(classify, pics: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # for the path of a temporary folder, which has the user's name in it
    write(tmp_path / "broken.png", "x")
    (tmp_path / "empty").mkdir()
    code, out, err = classify(tmp_path / "missing.png", tmp_path / "broken.png", tmp_path / "empty", pics / "coin.png")
    assert code == 2 and "coin.png" in out
    assert f"{tmp_path}/missing.png: there is no such file or folder\n" in err
    assert f"{tmp_path}/broken.png: not a picture\n" in err
    assert f"{tmp_path}/empty: no picture is in this folder\n" in err
    assert "Traceback" not in err


def test_names_with_markup_and_foreign_letters_are_shown_as_they_are(classify, fake, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    fake("02_two", {"[red]ü.png": CAT})
    write(tmp_path / "[red]ü.png", "x")
    code, out, _ = classify(tmp_path / "[red]ü.png")
    assert code == 0 and f"{tmp_path}/[red]ü.png " in out
    assert classify(tmp_path / "[blue]missing.png")[2].count("[blue]missing.png") == 1


def test_an_output_that_is_not_finite_gets_no_label(classify, fake):
    fake("02_two", ANSWERS | {"chelsea.png": [float("nan")] * 6, "coin.png": [float("inf")] + [0.0] * 5})
    code, out, err = classify()
    assert code == 2 and "0 of 1 right" in out
    assert "chelsea.png: the network's output is not finite" in err and "coin.png: the network's output" in err


def test_an_output_without_a_label_for_each_class_is_refused(classify, fake):
    fake("02_two", {"chelsea.png": [1.0, 2.0]})
    code, out, err = classify()
    assert (code, out) == (2, "") and "02_two gave logits of shape (2,) for 6 labels" in err


def test_labels_of_synthetic_weights_are_called_meaningless(tree: Tree, fake, pics: Path, weight_set: Path, capsys):
    fake("01_one", ANSWERS)
    folder = weight_set.rename(weight_set.with_name("synthetic"))
    assert main(["classify", "--weights", str(folder)], tree.root) == 0
    out = capsys.readouterr().out
    assert "its labels mean nothing" in out and "right" not in out and "wrong" not in out and "a cat's face" in out


def test_an_unknown_weight_set_is_refused(tree: Tree, fake, pics: Path, capsys):
    fake("01_one", ANSWERS)
    assert main(["classify", "--weights", "no_such_set"], tree.root) == 2
    assert "no_such_set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123456, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (16.9231, "16.9 s"), (1234.5, "1234 s")],
)
def test_times_have_three_digits(seconds: float, text: str):
    assert duration(seconds) == text


def test_in_a_folder_whatever_looks_like_a_picture_is_tried_or_refused_by_name(classify, fake, tmp_path: Path):
    photos = tmp_path / "photos"
    endings = [
        "avif",
        "bmp",
        "gif",
        "jfif",
        "jpe",
        "jpeg",
        "jpg",
        "mpo",
        "pbm",
        "png",
        "pnm",
        "tif",
        "webp",
        "heic",
        "heif",
        "dng",
        "jxl",
        "jp2",
        "psd",
        "svg",
        "NEF",
    ]
    for ending in endings:
        write(photos / f"a.{ending}", "x")
    (photos / "bare").write_bytes(b"\x89PNG\r\n\x1a\n")
    write(photos / "line\nbreak.png", "x")
    code, _, err = classify(photos)
    assert code == 2
    for name in [*(f"a.{ending}" for ending in endings), "bare"]:
        assert err.count(f"{photos}/{name}: not a picture\n") == 1
    assert "line\\nbreak.png" in err and "line break" in err and "left out" not in err


def test_other_files_in_a_folder_are_counted_and_no_error(classify, pics: Path):
    for name in ("farm/notes.txt", "farm/README", "farm/film.mp4"):
        write(pics / name, "x")
    code, _, err = classify(pics / "farm")
    assert code == 0 and "3 other files were left out" in err
    (pics / "farm" / "notes.txt").unlink()
    (pics / "farm" / "README").unlink()
    assert "1 other file was left out" in classify(pics / "farm")[2]


def test_linked_folders_are_followed_and_none_is_searched_twice(classify, pics: Path, tmp_path: Path):
    write(tmp_path / "elsewhere" / "coin.png", "x")
    (pics / "farm" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(pics / "farm")
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    code, out, _ = classify(pics / "farm", "--top", 1)
    assert code == 0 and out.count("coin.png") == 1 and out.count("horse.png") == 1


def test_a_path_that_cannot_be_looked_at_gets_a_line_and_the_rest_is_named(classify, pics: Path, monkeypatch):
    stat = Path.stat

    def forbidden(path: Path, **settings):
        if path.name == "forbidden.png":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **settings)

    monkeypatch.setattr(Path, "stat", forbidden)  # root may look everywhere
    monkeypatch.setenv("COLUMNS", "200")
    long = "x" * 300
    code, out, err = classify("forbidden.png", long, f"{pics}/coin.png/below", pics / "coin.png")
    assert code == 2 and "coin.png" in out
    assert "ladder: forbidden.png: Permission denied\n" in err
    assert f"ladder: {long}: File name too long\n" in err
    assert f"ladder: {pics}/coin.png/below: there is no such file or folder\n" in err


def test_names_and_labels_cannot_steer_the_terminal(classify, fake, tmp_path: Path, weight_set: Path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    write(weight_set / "labels.txt", "\n".join(["c\x1b[2Jat", *LABELS[1:]]))
    fake("02_two", {"\x1b[31ma\u202egnp.png": CAT})
    for name in ("\x1b[31ma\u202egnp.png", "\x1b]0;title\x07.png"):
        write(tmp_path / name, "x")
    _, out, err = classify(*tmp_path.glob("*.png"), tmp_path / "\x1b[32mmissing.png")
    assert not set(out + err) & set("\x1b\x07\u202e")
    assert "\\x1b[31ma\\u202egnp.png" in out and "c\\x1b[2Jat" in out
    assert "\\x1b]0;title\\x07.png: not a picture" in err and "\\x1b[32mmissing.png: there is no such" in err


def test_where_a_picture_has_no_label_the_classes_are_told_that_there_are(classify, pics: Path):
    assert f"The weight set cifar10 knows 6 classes, and nothing else: {', '.join(LABELS)}." in " ".join(
        classify()[1].split()
    )
    assert "knows" not in classify(pics / "chelsea.png")[1]


def test_who_has_only_the_bundled_weights_is_told_of_others(classify, pics: Path, weight_set: Path, monkeypatch):
    hint = "`nox -s weights -- imagenet` downloads a set that knows 1,000"
    assert hint not in classify()[1]
    monkeypatch.setattr("ladder.core.weights.find", lambda name: weight_set)
    assert hint in classify()[1] and hint not in classify(pics / "chelsea.png")[1]


def test_many_classes_are_counted(classify, fake, pics: Path, weight_set: Path):
    write(weight_set / "labels.txt", "\n".join(f"thing {number}" for number in range(1000)))
    fake("02_two", {"coin.png": [0.0] * 1000})
    out = " ".join(classify(pics / "coin.png")[1].split())
    assert out.endswith("The weight set cifar10 knows 1,000 classes, and nothing else: its labels.txt lists them.")
