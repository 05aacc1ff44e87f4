"""The process behind a version: its answers, its refusals, its deaths."""

import time
from pathlib import Path

import numpy as np
import pytest

from ladder.core.errors import InferenceError, LadderError, WorkerError
from ladder.core.worker import Worker, load_twice, prepared


def test_answers_are_read_with_all_their_numbers(fake, weight_set: Path):
    python = fake("01_one", {"a.png": [1.0, float("nan"), -2.5]})
    with Worker("01_one", python, weight_set) as worker:
        answer = worker.infer(Path("a.png"))
    assert worker.load_seconds == 0.5
    assert (answer.seconds, answer.peak_memory) == (0.25, None)
    np.testing.assert_array_equal(answer.logits, [1.0, np.nan, -2.5])
    assert worker.process.returncode is not None


def test_without_a_picture_the_random_image_of_the_wanted_size_is_asked_for(fake, weight_set: Path):
    python = fake("01_one", {"": [3.0]})
    with Worker("01_one", python, weight_set, size=96) as worker:
        assert worker.infer().logits == [3.0]
        assert list(worker.process.args)[-2:] == ["--size", "96"]  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows a process's variables so")
def test_a_number_of_threads_is_passed_on_as_the_versions_want_it(fake, weight_set: Path):
    python = fake("01_one", {})
    with Worker("01_one", python, weight_set, threads=3) as worker:
        assert b"RESNET50_THREADS=3" in Path(f"/proc/{worker.process.pid}/environ").read_bytes().split(b"\0")


def test_a_refused_picture_does_not_end_the_worker(fake, weight_set: Path):
    python = fake("01_one", {"a.png": [1.0]})
    with Worker("01_one", python, weight_set) as worker:
        with pytest.raises(InferenceError, match=r"b\.png: not a picture"):
            worker.infer(Path("b.png"))
        with pytest.raises(InferenceError, match="line break"):
            worker.infer(Path("a\n.png"))
        assert worker.infer(Path("a.png")).logits == [1.0]


def test_a_worker_that_dies_is_reported_with_its_last_words(fake, weight_set: Path):
    python = fake("01_one", {"a.png": "die"})
    with Worker("01_one", python, weight_set) as worker:
        for _ in range(2):  # asking a dead one again must not hang either
            with pytest.raises(WorkerError, match="01_one ended with code 7; its last words: a last word"):
                worker.infer(Path("a.png"))


def test_a_worker_that_refuses_its_weights_says_so_in_its_own_line(fake, weight_set: Path):
    python = fake("01_one", {"load": "refuse"})
    with pytest.raises(WorkerError, match=r"^01_one: resnet50: weights\.safetensors: truncated$"):
        Worker("01_one", python, weight_set)


def test_a_silent_worker_is_ended(fake, weight_set: Path):
    python = fake("01_one", {"a.png": "sleep"})
    with Worker("01_one", python, weight_set) as worker:
        worker.patience = 0.3
        started = time.monotonic()
        with pytest.raises(WorkerError, match=r"no answer for 0\.3 s"):
            worker.infer(Path("a.png"))
        assert time.monotonic() - started < 10  # it would sleep for 60


def test_anything_but_the_agreed_json_is_refused(fake, weight_set: Path):
    python = fake("01_one", {"a.png": "babble", "b.png": [["x"]]})
    with Worker("01_one", python, weight_set) as worker:
        for name in ("a.png", "b.png"):
            with pytest.raises(WorkerError, match="not the agreed JSON"):
                worker.infer(Path(name))


def test_prepared_pictures_come_from_the_version(fake, weight_set: Path, tmp_path: Path):
    python = fake("01_one", {})
    (tmp_path / "a.png").write_bytes(b"12345")
    [image] = prepared("01_one", python, weight_set, [tmp_path / "a.png"])
    assert image.shape == (64, 64, 3) and image.dtype == np.float32 and (image == 5).all()
    with pytest.raises(LadderError, match=r"01_one can't prepare .*No such file"):
        prepared("01_one", python, weight_set, [tmp_path / "missing.png"])


def test_a_version_is_loaded_twice_in_one_process(fake, weight_set: Path):
    python = fake("01_one", {})
    assert load_twice("01_one", python, weight_set, 64, 1) == (0.5, 0.125)


def test_a_version_that_cannot_be_loaded_says_so(fake, weight_set: Path):
    python = fake("01_one", {"load": "refuse"})
    with pytest.raises(WorkerError, match=r"^01_one: resnet50: weights\.safetensors: truncated$"):
        load_twice("01_one", python, weight_set, 64, 1)
