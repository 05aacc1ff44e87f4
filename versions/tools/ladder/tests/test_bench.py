"""The benchmark's table, its file, its warnings and its refusals."""

import json
import os
import threading
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from ladder.__main__ import main, parser
from ladder.core import terminal
from ladder.machine.peak import Peak
from ladder.timing import bench as module
from ladder.timing.bench import bench
from ladder.timing.bench_text import ordinal, rounded
from ladder.timing.results import operations

from .conftest import Steady, Tree, results
from .test_neighbours import counted


def test_the_table_and_the_file_say_what_was_measured(machine, tree: Tree, capsys):
    machine("02_two", 0.5)
    machine("03_three", 2.0, previous="02_two")
    machine("04_four", 0.25, previous="03_three")
    assert bench(tree.root, size=224, rounds=16, seconds=1000) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["02_two", "500", "-", "4.00", "16.4", "0.50", "-"] in lines
    assert ["03_three", "2000", "0.250", "1.00", "4.09", "0.50", "-"] in lines
    assert ["04_four", "250", "8.00", "8.00", "32.7", "0.50", "-"] in lines
    assert ["250", "to", "250", "8.00", "to", "8.00", "16", "3.3", "%", "0.12"] in lines
    assert max(map(len, out.splitlines())) <= 80
    assert "Instruction sets: " in out
    assert "1000 GFLOP/s with B and 500 GFLOP/s with A" in " ".join(out.split())
    assert "03_three in every 2nd" in out

    found = results(tree)
    assert (found["size"], found["rounds"], found["interrupted"]) == (224, 16, False)
    assert found["processor"]["name"] and found["processor"]["threads"] >= 1
    assert found["peak"] == {"1": {"B": 1e12, "A": 5e11}}
    assert len(found["peak_flops"]["1"]["A"]) == 16
    two, three, four = found["versions"]
    assert two["rounds"] == list(range(16)) and two["seconds"] == [0.5] * 16 and two["period"] == 1
    assert three["rounds"] == list(range(0, 16, 2)) and three["faster"]["pairs"] == 8
    assert four["faster"] == {"median": 8.0, "interval": [8.0, 8.0], "pairs": 8}
    assert four["flops"] == operations(224) / 0.25 and four["share_of_peak"] == four["flops"] / 1e12
    assert four["peak_memory"] is None and four["warm_up_seconds"] == 0.25
    assert (four["load_seconds"], four["later_load_seconds"]) == (0.5, 0.125)


def test_a_version_in_8_bit_integers_is_held_against_their_peak(machine, tree: Tree, capsys):
    machine("03_three", 1.0)
    machine("04_four", 0.5, previous="03_three", int8=True)
    assert main(["bench", "--versions", "03", "04", "--rounds", "6"], tree.root) == 0
    three, four = results(tree)["versions"]
    assert (three["share_of_peak"], four["share_of_peak"]) == (three["flops"] / 1e12, four["flops"] / 4e12)
    out = " ".join(capsys.readouterr().out.split())
    assert "Peak of one core: 1000 GFLOP/s with B and 500 GFLOP/s with A, measured" in out
    assert "Peak of one core: 4000 GOP/s in 8-bit integers with AVX-VNNI, measured" in out
    assert "In 8-bit integers, so GOP/s in place of GFLOP/s: 04_four." in out


def test_a_version_with_threads_is_timed_with_each_number_of_them(machine, tree: Tree, capsys):
    machine("03_three", 1.0)
    machine("04_four", 0.5, previous="03_three", threads=True)
    machine("05_five", 0.25, previous="04_four", threads=True)
    assert main(["bench", "--threads", "2,1,2", "--rounds", "16"], tree.root) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    names = [line[0] for line in lines if line and line[0][:2].isdecimal() and "_" in line[0]]
    assert names[:5] == ["03_three", "04_four", "04_four", "05_five", "05_five"]
    found = results(tree)
    assert found["peak"]["2"] == {"B": 2e12, "A": 1e12}
    assert [(line["name"], line["threads"]) for line in found["versions"]] == [
        ("03_three", 1), ("04_four", 1), ("04_four", 2), ("05_five", 1), ("05_five", 2)
    ]  # fmt: skip
    one, two = found["versions"][3:]
    assert one["faster"]["median"] == two["faster"]["median"] == 2.0  # than 04 with as many threads
    assert two["faster_than_alone"]["median"] == 1.0 and one["faster_than_alone"] is None
    assert found["versions"][2]["faster"]["median"] == 2.0  # than 03, which has one
    assert two["share_of_peak"] == two["flops"] / 2e12 and one["share_of_peak"] == one["flops"] / 1e12


@pytest.mark.parametrize(
    ("names", "against", "ratio", "sentence"),
    [("01 04", "01_one", 4.0, False), ("02 03 04", "02_two", 2.0, True), ("03 04", "03_three", 1.5, False)],
)
def test_the_ratio_is_against_the_version_before_or_the_newest_earlier_one_that_is_timed(
    names: str, against: str, ratio: float, sentence: bool, machine, tree: Tree, capsys
):
    machine("01_one", 1.0)
    machine("02_two", 0.5, previous="01_one")
    machine("03_three", 0.375, previous="02_two")
    machine("04_four", 0.25, previous="02_two")
    assert main(["bench", "--versions", *names.split(), "--rounds", "16"], tree.root) == 0
    four = results(tree)["versions"][-1]
    assert (four["previous"], four["faster"]["median"]) == (against, ratio)
    assert (f"x previous of 04_four: against {against}." in " ".join(capsys.readouterr().out.split())) == sentence


@pytest.mark.parametrize("threads", ["0", "1,", "two", "1025", "1;2", "1 0"])
def test_numbers_of_threads_that_there_cannot_be_are_refused(threads: str, tree: Tree, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bench", "--threads", *threads.split()], tree.root)
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", ["1,2,3", "1 2 3", "1,2 3", "1 2,3"])
def test_several_values_are_separated_by_spaces_or_commas(words: str):
    found = parser().parse_args(["bench", "--versions", *words.split(), "--threads", *words.split()])
    assert (found.names, found.threads) == (["1", "2", "3"], [1, 2, 3])


def test_a_version_without_a_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["bench", "--versions", "08,"])
    assert "an empty name is not a version" in capsys.readouterr().err


def test_busy_processes_run_while_it_is_timed_and_are_ended(
    machine, steady: Steady, tree: Tree, capsys, monkeypatch
):  # fmt: skip
    machine("03_three", 1.0)
    counted = []
    monkeypatch.setattr(module.neighbours, "count", lambda pids: counted.append(pids))
    steady.interrupted_at = 2
    assert main(["bench", "--neighbours", "2"], tree.root) == 130
    own, *busy, _ = counted[0]
    assert own == os.getpid() and len(busy) == 2 and not any(map(psutil.pid_exists, busy))
    assert "Beside 2 endless loops, started for this run." in capsys.readouterr().out
    assert results(tree)["conditions"]["busy"] == 2


def test_it_says_what_neighbours_took_and_how_many_rounds_were_dropped(
    machine, steady: Steady, tree: Tree, capsys, monkeypatch
):  # fmt: skip
    machine("02_two", 1.0)
    machine("03_three", 0.5, previous="02_two")
    counters = counted([0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    monkeypatch.setattr(module.neighbours, "count", lambda pids: counters[steady.rounds()])
    assert bench(tree.root, size=64, rounds=6, seconds=1000) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "other processes took 7.1 % of the processors' time, steal (the host's other work) 0.0 %." in out
    assert "Dropped, since they took more than 2 %: 1 round." in out
    found = results(tree)
    assert (found["rounds"], found["dropped"], found["disturbed"]) == (6, 1, False)
    assert found["versions"][0]["rounds"] == [1, 2, 3, 4, 5, 6] and found["versions"][1]["faster"]["pairs"] == 6


def test_versions_are_started_anew_and_the_ratio_is_that_of_the_starts(machine, steady: Steady, tree: Tree, capsys):
    machine("01_one", 1.0, slow=True)
    machine("02_two", 1.0, 1.2, 1.0, 1.0, 1.0, 1.0, previous="01_one")  # the second is the first round of each start
    assert bench(tree.root, size=64, rounds=30, seconds=1000) == 0
    found = results(tree)
    assert found["starts"] == [0, 5, 10, 15, 20, 25]
    assert [number for number, value in enumerate(found["versions"][1]["seconds"]) if value == 1.2] == found["starts"]
    assert found["versions"][1]["faster"] == {"median": 1.0, "interval": [1.0, 1.0], "pairs": 30}
    out = " ".join(capsys.readouterr().out.split())
    assert "The processes were started 6 times, except slow versions and peers." in out


def test_where_neighbours_leave_too_few_rounds_there_are_times_but_no_ratio(
    machine, steady: Steady, tree: Tree, capsys, monkeypatch
):  # fmt: skip
    machine("02_two", 1.0)
    machine("03_three", 0.5, previous="02_two")
    counters = counted([0.0] * 5 + [0.2] * 7, steal=0.001)
    monkeypatch.setattr(module.neighbours, "count", lambda pids: counters[steady.rounds()])
    assert bench(tree.root, size=64, rounds=6, seconds=1000) == 0
    captured = capsys.readouterr()
    assert "ladder: other processes disturbed 7 of 12 rounds, so the times are of all rounds" in captured.err
    assert ["03_three", "500", "-", "-", "1.34", "0.50", "-"] in [line.split() for line in captured.out.splitlines()]
    assert "No ratio for 03_three: that takes 6 common rounds." in " ".join(captured.out.split())
    assert results(tree)["disturbed"] and len(results(tree)["versions"][1]["seconds"]) == 12


def test_the_operations_are_those_of_the_paper():
    assert 2 * 4.08e9 < operations(224) < 2 * 4.1e9


def test_ratios_are_paired_and_the_spread_is_shown(machine, tree: Tree, capsys):
    drift = [1.0, 1.0, 1.3, 0.8, 1.1, 0.9, 1.2, 0.7]  # the first is the warm-up's
    machine("02_two", *(0.6 * factor for factor in drift))
    machine("03_three", *(0.4 * factor for factor in drift), previous="02_two")
    assert bench(tree.root, size=64, rounds=7, seconds=1000) == 0
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    assert ["03_three", "400", "1.5", "1.0", "1.7", "0.50", "-"] in lines  # two digits: the times are unsure
    assert ["340", "to", "460", "1.5", "to", "1.5", "7", "0.17", "%", "0.12"] in lines
    assert "the machine was noisy" in captured.err and "02_two (30 %), 03_three (30 %)" in captured.err


def test_a_quiet_machine_gets_no_warning(machine, tree: Tree, capsys):
    machine("03_three", 1.0, 0.96, 1.04)
    assert bench(tree.root, size=64, rounds=9, seconds=1000) == 0
    assert "noisy" not in capsys.readouterr().err


def test_fewer_than_six_rounds_give_times_but_no_ratio(machine, tree: Tree, capsys):
    machine("02_two", 1.0)
    machine("03_three", 0.5, previous="02_two")
    assert bench(tree.root, size=64, rounds=5, seconds=1000) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["03_three", "500", "-", "-", "1.34", "0.50", "-"] in lines
    assert "No ratio for 03_three: that takes 6 common rounds; give more --seconds" in " ".join(out.split())
    assert results(tree)["versions"][1]["faster"] is None


def test_json_is_all_that_stdout_gets(machine, tree: Tree, capsys):
    machine("03_three", 1.0)
    assert main(["bench", "--json", "--rounds", "2", "--size", "32"], tree.root) == 0
    assert json.loads(capsys.readouterr().out) == results(tree)


def test_slow_versions_are_timed_when_small_or_named(machine, tree: Tree, capsys):
    machine("01_one", 1.0, slow=True)
    machine("02_two", 1.0, previous="01_one")
    for names, size, expected in (((), 65, ["02_two"]), ((), 64, ["01_one", "02_two"]), (["2", "1"], 224, None)):
        assert bench(tree.root, names=names, size=size, rounds=1, seconds=1000) == 0
        assert [line["name"] for line in results(tree)["versions"]] == (expected or ["01_one", "02_two"])
        assert ("01_one is left out" in capsys.readouterr().err) == (expected == ["02_two"])


def test_what_cannot_run_is_skipped_with_a_sentence_or_refused_if_named(machine, tree: Tree, capsys):
    machine("03_three", 1.0)
    machine("04_four", 1.0, previous="03_three", requires=["imaginary"])
    assert main(["bench", "--rounds", "1"], tree.root) == 0
    assert "04_four is skipped: this processor lacks imaginary" in capsys.readouterr().err
    assert main(["bench", "--versions", "03", "04"], tree.root) == 2
    assert "04_four is skipped" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "words"), [("die", "a last word"), ("refuse", "not a picture")])
def test_a_version_that_fails_ends_the_run_with_code_2(answer: str, words: str, machine, fake, tree: Tree, capsys):
    machine("03_three", 1.0)
    fake("04_four", {"": answer}, previous="03_three")
    assert main(["bench", "--rounds", "1"], tree.root) == 2
    err = capsys.readouterr().err
    assert words in err and "Traceback" not in err


def test_without_a_peak_the_column_is_empty(machine, tree: Tree, capsys, monkeypatch):
    def unknown(folder: Path) -> Peak:
        raise module.LadderError("the peak is unknown: no compiler")

    monkeypatch.setattr(module.peak, "build", unknown)
    machine("03_three", 1.0)
    assert bench(tree.root, size=64, rounds=1, seconds=1000) == 0
    out = capsys.readouterr().out
    assert "The peak is unknown: no compiler." in out and "1000 to 1000 1 0.12\n" in "\n".join(
        " ".join(line.split()) for line in out.splitlines()
    )
    assert results(tree)["versions"][0]["share_of_peak"] is None


def test_ctrl_c_shows_what_was_measured_so_far(machine, steady: Steady, tree: Tree, capsys):
    machine("03_three", 0.5)
    steady.interrupted_at = 3
    assert main(["bench"], tree.root) == 130
    out = capsys.readouterr().out
    assert ["03_three", "500", "-", "-", "16.4", "0.50", "-"] in [line.split() for line in out.splitlines()]
    assert "interrupted after 3 rounds" in " ".join(out.split())
    assert results(tree)["interrupted"] and results(tree)["versions"][0]["seconds"] == [0.5] * 3


def test_ctrl_c_before_the_first_time_shows_nothing(machine, steady: Steady, tree: Tree, capsys):
    machine("03_three", 0.5)
    steady.interrupted_at = 0
    assert main(["bench"], tree.root) == 130
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback" not in captured.err


def test_no_thread_of_the_progress_bar_runs_beside_the_versions(monkeypatch):
    monkeypatch.setattr(terminal, "notes", lambda: Console(stderr=True, force_terminal=True))
    before = set(threading.enumerate())  # an earlier test's thread may still be ending
    with terminal.still_progress("timing") as tell:
        tell(0.5, "round 1")
        assert set(threading.enumerate()) <= before
    with terminal.progress("pictures", 3):
        assert len(set(threading.enumerate()) - before) == 1  # the other bar, which moves by itself, has one


@pytest.mark.parametrize(
    ("value", "rough", "text"),
    [
        (4966.4, False, "4970"),
        (4966.4, True, "5000"),
        (99.96, False, "100"),
        (1.0449, False, "1.04"),
        (0.012345, False, "0.0123"),
        (9.96, True, "10"),
    ],
)
def test_three_digits_or_two(value: float, rough: bool, text: str):
    assert rounded(value, rough) == text


def test_ordinals_of_powers_of_two():
    assert [ordinal(2**k) for k in (1, 2, 3, 4, 5, 9)] == ["2nd", "4th", "8th", "16th", "32nd", "512th"]
