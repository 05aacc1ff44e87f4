"""`python -m cv_basics`: results, index.html, the benchmark, and one-line errors."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from cv_basics import bench, cli, gallery
from cv_basics.files import read_picture, write_picture
from cv_basics.lessons import LESSONS
from cv_basics.tests.conftest import ROOT, make_picture


def run(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "cv_basics", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("missing", ["numpy", "PIL", "matplotlib", "rich"])
def test_a_missing_package_gives_one_line_that_names_nox(tmp_path, missing):
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no {missing}', name='{missing}')")
    done = subprocess.run(
        [sys.executable, "-m", "cv_basics", "gray"], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(rf"cv_basics: {missing} is not installed; `nox -s cv_basics -- .*\n", done.stderr)


@pytest.mark.parametrize(
    "arguments, results",
    [
        (["gray"], ["gray"]),
        (["color"], ["red", "green", "blue", "y", "u", "v"]),
        (["mean_blur", "--size", 4, "--noise", 0.2, "--noise-sigma", 5, "--seed", 3],
         [f"{noise}-{step}" for noise in ("salt-and-pepper", "gaussian-noise")
          for step in ("noisy", "mean-4-x-4", "median-5-x-5")]),
        (["gaussian_blur", "--size", 5, "--sigma", 1.4], ["blurred"]),
        (["canny", "--size", 5, "--sigma", 1.4, "--low", 150, "--high", 50, "--squared"], ["edges"]),
        (["otsu"], ["binary"]),
    ],
)  # fmt: skip
def test_a_lesson_writes_its_results_and_its_figure(tmp_path, capsys, arguments, results):
    write_picture(tmp_path / "a.png", make_picture("smooth", 30, 50, 3, seed=1))
    lesson, *options = map(str, arguments)
    assert cli.main([lesson, str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), *options]) == 0
    expected = {f"a_{lesson}_figure.png", *(f"a_{lesson}_{result}.png" for result in results)}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    for result in results:
        assert read_picture(tmp_path / "out" / f"a_{lesson}_{result}.png").shape[:2] == (30, 50)
    assert f"a_{lesson}_figure.png" in capsys.readouterr().out


def test_all_writes_every_figure_and_an_index_that_shows_them(tmp_path, capsys):
    for folder, channels in (("one", 3), ("two", 1)):
        (tmp_path / folder).mkdir()
        write_picture(tmp_path / folder / "a & b.png", make_picture("smooth", 20, 30, channels, seed=1))
    out = tmp_path / "out"
    pictures = [str(path) for path in sorted(tmp_path.glob("*/*.png"))]
    assert cli.main(["all", *pictures, "--out", str(out)]) == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    shown = {name.replace("&amp;", "&") for name in re.findall(r'src="([^"]+)"', page)}
    linked = {name.replace("&amp;", "&") for name in re.findall(r'href="([^#][^"]*)"', page)}
    assert shown == {path.name for path in out.glob("*_figure.png")}
    assert linked == {path.name for path in out.glob("*.png")}
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"{lesson} a & b.png: " in printed for lesson in LESSONS)
    assert len(shown) == 2 * len(LESSONS) - 2  # the two lessons about colour skip the grey picture


def test_there_are_default_pictures_for_every_lesson():
    assert len(gallery.default_pictures()) >= 6
    for lesson in LESSONS.values():
        assert (gallery.PICS / lesson.picture).is_file()


def test_bench_puts_its_table_between_the_markers(tmp_path, monkeypatch, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{bench.START}\nold\n{bench.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(bench, "README", readme)
    assert cli.main(["bench", "--side", "16", "--rounds", "1", "--write"]) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{bench.START}\n| |")
    assert text.endswith(f"\n{bench.END}\nafter\n")
    assert "old" not in text
    assert len(re.findall(r"^\| .+ms", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^\| .*\d \|$", text, re.MULTILINE)) == len(
        bench.all_races(make_picture("random", 16, 16, 3, 1))
    )


def test_bench_rejects_different_results():
    wrong = bench.Race("wrong", None, np.zeros, np.ones, (3,))
    with pytest.raises(RuntimeError, match="differ"):
        bench.measure([wrong], 1, Console(quiet=True))


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ([], "COMMAND"),
        (["sharpen"], "invalid choice"),
        (["new\nline"], "invalid choice"),
        (["gray", "missing.png"], "missing.png: there is no such file"),
        (["gray", "."], "is a folder"),
        (["gray", "README.md"], "is not a picture"),
        (["mean_blur", "--size", "0"], "size must be between 1"),
        (["mean_blur", "--size", "many"], "invalid int value"),
        (["mean_blur", "--noise", "1.5"], "share must be between 0 and 1"),
        (["mean_blur", "--noise", "nan"], "share must be a finite number"),
        (["mean_blur", "--noise-sigma", "-1"], "sigma must be at least 0"),
        (["mean_blur", "--seed", "-1"], "seed must be between 0"),
        (["gaussian_blur", "--size", "4"], "size must be odd"),
        (["gaussian_blur", "--sigma", "0"], "sigma must be above 0"),
        (["canny", "--low", "nan"], "low must be a finite number"),
        (["otsu", "--out", "README.md"], "README.md"),
        (["all", "missing.png"], "missing.png"),
        (["bench", "--rounds", "0"], "rounds must be between 1"),
        (["bench", "--side", "0"], "side must be between 1"),
    ],
)
def test_a_bad_command_gives_one_line_and_exit_code_2(arguments, reason, monkeypatch, capsys):
    code, errors = called(arguments, monkeypatch, capsys)
    assert code == 2
    assert reason in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("arguments", [["sharpen"], ["gray", "missing.png"]])
def test_a_process_with_a_bad_command_ends_with_the_same_line_and_code(arguments, monkeypatch, capsys):
    """One that is rejected when it is parsed, and one later."""
    done = run(*arguments, cwd=ROOT / "cv_basics")
    assert (done.returncode, done.stderr) == called(arguments, monkeypatch, capsys)


def called(arguments, monkeypatch, capsys):
    """The exit code and the errors of the command line in this process; a new one has to import what it needs."""
    monkeypatch.chdir(ROOT / "cv_basics")
    try:
        code = cli.main(arguments)
    except SystemExit as error:
        code = error.code
    return code, capsys.readouterr().err


STDOUT = {">&-": "Bad file descriptor", "1</dev/null": "Bad file descriptor", ">/dev/full": "No space left on device"}


def shell(redirection, *arguments):
    """`python -m cv_basics` in a shell that redirects its streams."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "cv_basics", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("redirection", STDOUT)
@pytest.mark.parametrize("arguments", [["--help"], ["gray", "pics/chelsea.png"]])
def test_output_that_cannot_be_written_gives_one_line_and_exit_code_2(redirection, arguments, tmp_path):
    done = shell(redirection, *arguments, *(["--out", tmp_path] if len(arguments) > 1 else []))
    assert done.returncode == 2
    assert STDOUT[redirection] in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2</dev/null"])
@pytest.mark.parametrize("arguments", [["gray", "nowhere.png"], ["nonsense"]])
def test_an_error_that_cannot_be_printed_keeps_its_exit_code_and_stays_off_stdout(redirection, arguments):
    done = shell(redirection, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_reader_that_has_gone_is_not_an_error():
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as stdout:
        command = [sys.executable, "-m", "cv_basics", "--help"]
        done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_name_cannot_control_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[2J\u202e.png"
    missing = run("gray", path)
    write_picture(path, make_picture("smooth", 20, 20, 3, seed=1))
    done = run("gray", path, "--out", tmp_path)
    assert (missing.returncode, done.returncode) == (2, 0)
    for text in (missing.stderr, done.stdout):
        assert "a\\x1b[2J\\u202e" in text and "\x1b" not in text and "\u202e" not in text


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("old")

    def half(image, partial):
        Path(partial).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError):
        write_picture(path, make_picture("smooth", 20, 20, 3, seed=1))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_help_names_every_lesson_and_option():
    text = run("--help").stdout
    assert all(lesson in text for lesson in [*LESSONS, "all", "bench"])
    text = run("canny", "--help").stdout
    assert all(word in text for word in ("--low", "--high", "--sigma", "--size", "default"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_gives_exit_code_130_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "cv_basics", "all", "--out", str(tmp_path)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
