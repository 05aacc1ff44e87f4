"""Dask's workers: the same rows as from one process, whatever becomes of the workers."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from labelling import cluster as module
from labelling.entries import Task, to_line
from labelling.parts import named, taken
from ladder.tests.conftest import write

from .conftest import Label, rows

# How many runs in which a worker is killed, at seeded moments; by hand more: LABEL_KILLS=50 nox -s "test(labelling)".
KILLS = int(os.environ.get("LABEL_KILLS", "2"))


TWO = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None, "silence_logs": 50}


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalCluster]:
    """Two workers in processes of their own."""
    with LocalCluster(**TWO) as found:
        yield found


@pytest.fixture
def bad(photos: Path) -> Path:
    """The photos with some bad ones and many good ones among them."""
    for number in range(200):
        write(photos / "more" / f"{number}.jpg", "crash" if number % 50 == 7 else f"{number % 6} 0.5")
    write(photos / "\udcff.jpg", "1 0.5")
    return photos


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are several for each worker."""
    monkeypatch.setattr(module, "SHARD", 30)


def test_the_rows_are_those_of_one_process(workers: LocalCluster, label: Label, bad: Path, tmp_path: Path):
    assert label() == 0
    assert label("--scheduler", workers.scheduler_address, out=tmp_path / "many.csv") == 0
    assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "results.csv").read_bytes()
    lines = [sorted((tmp_path / f"{name}.jsonl").read_bytes().splitlines()) for name in ("many", "results")]
    assert lines[0] == lines[1] and not (tmp_path / "many.parts").exists()


def kill_one(workers: LocalCluster, parts: Path, after: float, killed: list[int]) -> None:
    """Kill a worker some time after the first part was begun; nothing if the run ends before.

    It is one that has come to the scheduler: Dask gives up a process that is killed while it starts.
    """
    while not parts.exists():
        time.sleep(0.001)
    time.sleep(after)
    here = workers.scheduler.workers
    found = [nanny.process.pid for nanny in workers.workers.values() if nanny.worker_address in here]
    if parts.exists() and found:
        killed.append(found[len(killed) % len(found)])
        os.kill(killed[-1], signal.SIGKILL)


def test_a_worker_that_is_killed_loses_nothing(label: Label, bad: Path, tmp_path: Path):
    assert label() == 0
    numbers, killed = random.Random(0), list[int]()
    for run in range(KILLS):
        out = tmp_path / f"{run}.csv"
        with LocalCluster(**TWO) as workers:  # new ones: Dask does not always start a process again
            given = workers, out.with_suffix(".parts"), numbers.uniform(0, 0.3), killed
            killer = threading.Thread(target=kill_one, args=given, daemon=True)
            killer.start()
            assert label("--scheduler", workers.scheduler_address, out=out) == 0
            killer.join(timeout=60)
        assert out.read_bytes() == (tmp_path / "results.csv").read_bytes()
    assert killed


def test_a_shard_that_is_tried_again_does_only_the_rest(tmp_path: Path, monkeypatch):
    tasks = [Task(f"{number}.jpg", 1, 1, "net") for number in range(5)]
    asked: list[str] = []

    class Crew:
        def label(self, folder, rest):
            for task in rest:
                asked.append(task.path)
                yield task.entry({"label": "cat", "score": 0.5})

    monkeypatch.setattr(module.KEPT, "get", lambda settings: Crew())
    first = [to_line(task.entry({"label": "cat", "score": 0.5})) for task in tasks[:3]]
    (tmp_path / "s-0.aaaa.jsonl").write_bytes(first[0] + first[1] + first[2][:-5])  # it was killed while writing
    (tmp_path / "s-01.aaaa.jsonl").write_bytes(first[2])  # another shard's
    parts = module.label_shard(None, tmp_path, tasks, tmp_path, "s-0")
    assert asked == ["2.jpg", "3.jpg", "4.jpg"]
    assert sorted(entry["path"] for entry in taken(parts)) == [task.path for task in tasks]
    assert [part.name for part in tmp_path.iterdir()] == ["s-01.aaaa.jsonl"]


def test_where_there_is_no_worker_it_says_so_and_goes_on_when_one_comes(
    label: Label, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setattr(module, "PAUSE", 0.2)
    with LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty:
        started = threading.Timer(1.0, lambda: empty.scale(1))
        started.start()
        assert label("--scheduler", empty.scheduler_address) == 0
    err = capsys.readouterr().err
    assert err.count(f"there is no worker at {empty.scheduler_address}; start some: nox -s dask -- worker tcp://") == 1
    assert len(rows(tmp_path / "results.csv")) == 40


def test_parts_of_a_run_that_was_killed_are_taken_over(label: Label, photos: Path, tmp_path: Path, capsys):
    assert label() == 0
    whole = (tmp_path / "results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "many.parts").mkdir()
    (tmp_path / "many.parts" / "s-0.aaaa.jsonl").write_bytes(b"".join(whole[:25]) + whole[25][:-9])
    capsys.readouterr()
    assert label(out=tmp_path / "many.csv") == 0
    assert "15 were done in this run" in capsys.readouterr().out
    assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "results.csv").read_bytes()
    assert not (tmp_path / "many.parts").exists()


def test_where_no_scheduler_answers_one_line_says_so(label: Label, monkeypatch, capsys):
    monkeypatch.setattr(module, "PATIENCE", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "x" * 300, ""):
        assert label("--scheduler", address) == 2
        err = capsys.readouterr().err
        assert "no Dask scheduler answers there" in err.splitlines()[-1] and "Traceback" not in err


def test_shards_that_fail_are_told_and_the_others_are_kept(
    workers: LocalCluster, label: Label, photos: Path, weights: Path, tmp_path: Path, capsys
):
    write(weights / "weights.safetensors", "damaged")
    assert label("--scheduler", workers.scheduler_address) == 2
    err = capsys.readouterr().err
    assert "2 shards failed; the same command does the rest: 01_one: " in err and "Traceback" not in err
    assert not (tmp_path / "results.csv").exists()
    write(weights / "weights.safetensors", "w")
    assert label("--scheduler", workers.scheduler_address) == 0 and len(rows(tmp_path / "results.csv")) == 40


def test_a_part_that_holds_anything_else_counts_for_nothing(tmp_path: Path):
    write(tmp_path / "x.y.jsonl", '{"path": "a"}\nhello\n{}\n')
    assert list(taken(named(tmp_path))) == [] and not list(tmp_path.iterdir())
