"""The labels and the preprocessing of a weight folder: every allowed form is accepted, and wrong ones are refused."""

import json

import pytest
from conftest import PREPROCESS, narrow_tensors, write_weights
from resnet50 import ResNet50
from test_weights import folder, refused

__all__ = ["folder"]  # the fixture: a correct weight folder that the test may change


def test_labels_come_in_the_order_of_the_file(tmp_path):
    labels = ["tabby", "a label of words", "Ägyptische Katze"]
    assert ResNet50(write_weights(tmp_path, narrow_tensors(classes=3), labels)).labels == labels


@pytest.mark.parametrize(
    "text",
    [
        b"a\nb b\nc\n",
        b"a\nb b\nc",
        b"a\r\nb b\r\nc\r\n",
        b"a\rb b\rc\r",
        b"\xef\xbb\xbfa\nb b\nc\n",
        b"a\nb b\nc\n\n",
        b"a\r\nb b\r\nc\r\n \t\r\n\r\n",
    ],
)
def test_line_endings_and_blank_lines_at_the_end_do_not_change_the_labels(tmp_path, text):
    folder = write_weights(tmp_path, narrow_tensors(classes=3))
    (folder / "labels.txt").write_bytes(text)
    assert ResNet50(folder).labels == ["a", "b b", "c"]


def test_labels_may_contain_unicodes_other_line_breaks(tmp_path):
    labels = ["a\x0bb\x0cc\x1cd", "e\x1df\x1eg\x85h", "i\u2028j\u2029k"]
    assert ResNet50(write_weights(tmp_path, narrow_tensors(classes=3), labels)).labels == labels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a\nb\n", "has 2 labels, but the weights have 7 classes"),
        (b"a\n" * 8, "has 8 labels"),
        (b"a\nb\n\nd\ne\nf\ng\n", "line 3 is empty"),
        (b"a\nb\n\xff\xfe\nd\ne\nf\ng\n", "UTF-8"),
        (b"", "has 0 labels"),
        (b"\xef\xbb\xbf\n\n", "has 0 labels"),
        (b"\n" * 7, "has 0 labels"),
    ],
)
def test_wrong_labels_are_refused(folder, text, says):
    (folder / "labels.txt").write_bytes(text)
    refused(folder, "labels.txt", says)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": "resize"},
        {"steps": ["resize"]},
        {"steps": [["resize"]]},
        {"steps": [["resize", 64, 64]]},
        {"steps": [["resize", "64"]]},
        {"steps": [["resize", 64.0]]},
        {"steps": [["resize", True]]},
        {"steps": [["resize", 0]]},
        {"steps": [["resize", 10**9]]},
        {"steps": [["center_square", 3]]},
        {"steps": [["rotate", 90]]},
        {"steps": [[["resize"], 64]]},
        {"steps": [None]},
        {"filter": "sharp"},
        {"filter": None},
        {"filter": ["bilinear"]},
        {"mean": [0.5, 0.5]},
        {"mean": 0.5},
        {"mean": [0.5, 0.5, "0.5"]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"mean": [0.5, 0.5, 10**400]},
        {"std": [1.0, 1.0, 0.0]},
        {"std": [1.0, 1.0, -1.0]},
        {"std": [1.0, 1.0, 1e-60]},
        {"std": [1.0, 1.0, 1e60]},
        {"colour": "RGB"},
    ],
    ids=str,
)
def test_wrong_preprocessing_is_refused(folder, change):
    (folder / "preprocess.json").write_text(json.dumps(PREPROCESS | change))
    refused(folder, str(folder / "preprocess.json"))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000, b"\xff\xfe\xfa", b"\x00" * 10])
def test_preprocessing_that_is_not_a_json_object_is_refused(folder, text):
    (folder / "preprocess.json").write_bytes(text)
    refused(folder, str(folder / "preprocess.json"))


@pytest.mark.parametrize("name", PREPROCESS)
def test_preprocessing_with_a_name_twice_is_refused(folder, name):
    first = json.dumps({name: PREPROCESS[name]}).rstrip("}")
    (folder / "preprocess.json").write_text(f"{first}, {json.dumps(PREPROCESS).lstrip('{')}")
    refused(folder, str(folder / "preprocess.json"), f"the name {name!r} occurs twice")


def test_preprocessing_may_begin_with_a_byte_order_mark(folder, net):
    text = (folder / "preprocess.json").read_bytes()
    (folder / "preprocess.json").write_bytes(b"\xef\xbb\xbf" + text)
    assert ResNet50(folder).preprocess.steps == net.preprocess.steps
