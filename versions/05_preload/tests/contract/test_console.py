"""The command line when a stream is closed, full or read by nobody, at Ctrl-C, and on a terminal."""

import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from conftest import random, write_weights
from PIL import Image
from resnet50 import __main__ as cli
from resnet50 import console

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes the streams")

HOSTILE = "a\x1b[31m\x07\x7f\x9b2J\u202e\u2028\x85  b\r\n.png"  # C0, DEL, C1, bidi override, line breaks, two spaces
SHOWN = r"a\x1b[31m\x07\x7f\x9b2J\u202e\u2028\x85  b\r\n.png"


@pytest.fixture
def image(tmp_path):
    """A preprocessed picture in an .npy file."""
    np.save(tmp_path / "image.npy", random(1, 32, 33, 3))
    return tmp_path / "image.npy"


@pytest.fixture
def picture(tmp_path):
    """A picture file."""
    Image.new("RGB", (40, 50), "teal").save(tmp_path / "teal.png")
    return tmp_path / "teal.png"


@pytest.fixture
def run(monkeypatch, capsys, net):
    """A function that runs a command in this process with the network `net`: (exit code, stdout, stderr)."""
    monkeypatch.setattr(cli, "load_network", lambda args: net)

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def buffered():
    """The environment without PYTHONUNBUFFERED: Python writes what is left in a buffer once more when it exits, and
    these tests need that buffer."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def redirected(redirection, *arguments, start=("-m", "resnet50")):
    """Runs `python -m resnet50` with a shell's redirection of its streams; returns the completed process."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, input="", env=buffered(), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("command", "redirection", "reason"),
    [
        ("classify", ">&-", "standard output is closed"),
        ("bench", "<&- >&-", "standard output is closed"),
        ("--help", ">&-", "standard output is closed"),
        ("classify", "1</dev/null", os.strerror(errno.EBADF)),
        ("bench", ">/dev/full", os.strerror(errno.ENOSPC)),
        ("--help", ">/dev/full", os.strerror(errno.ENOSPC)),
    ],
)
def test_output_that_cannot_be_written_is_one_line_and_exit_code_2(command, redirection, reason, picture, weights_dir):
    if "full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    options = {
        "classify": [picture, "--weights", weights_dir],
        "bench": ["--worker", "--size", 32, "--weights", weights_dir],
        "--help": [],
    }
    done = redirected(redirection, command, *options[command])
    assert (done.returncode, done.stderr) == (2, f"resnet50: cannot write the output: {reason}\n")


def test_a_command_without_output_needs_no_streams(net, image, tmp_path, weights_dir):
    out = tmp_path / "out.npy"
    done = redirected("<&- >&- 2>&-", "logits", image, "--out", out, "--weights", weights_dir)
    assert done.returncode == 0
    np.testing.assert_array_equal(np.load(out), net(np.load(image)))


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(redirection, tmp_path):
    code = "import sys; from resnet50.console import begin; begin(); sys.exit(open(sys.argv[1], 'w').fileno())"
    assert redirected(redirection, tmp_path / "file", start=("-c", code)).returncode > 2


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_errors_that_cannot_be_written_leave_the_exit_code_and_the_output(redirection, picture, weights_dir):
    if "full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    done = redirected(redirection, "classify", "none.png", picture, "--weights", weights_dir)
    assert done.returncode == 2
    assert str(picture) in done.stdout
    assert "none.png" not in done.stdout
    assert redirected(redirection, "paint").returncode == 2


def test_streams_that_nobody_reads_do_not_change_the_exit_code(weights_dir):
    for arguments, code in ((["classify", "none.png", "--weights", weights_dir], 2), (["paint"], 2), (["--help"], 0)):
        command = [sys.executable, "-m", "resnet50", *map(str, arguments)]
        with subprocess.Popen(command, env=buffered(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            process.stdout.close()
        assert process.returncode == code


def test_input_that_cannot_be_read_is_one_line_and_exit_code_2(tmp_path, weights_dir):
    done = redirected(f"0>{tmp_path / 'file'}", "bench", "--worker", "--size", 32, "--weights", weights_dir)
    assert done.returncode == 2
    assert done.stderr == f"resnet50: cannot read the input: {os.strerror(errno.EBADF)}\n"


def test_running_out_of_file_descriptors_is_one_line_and_exit_code_2(run, picture, monkeypatch):
    def refuse(_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(cli.os, "dup", refuse)
    assert run("classify", picture) == (2, "", f"resnet50: the system: {os.strerror(errno.EMFILE)}\n")


# `python -m resnet50`, which counts calls and returns from the moment that it is prepared for Ctrl-C. At the event
# whose number is the first argument it gets a Ctrl-C; if that is negative, it prints the number of events when it ends.
INTERRUPTED = """
import os, runpy, signal, sys
last, events, prepared = int(sys.argv.pop(1)), 0, False

def count(frame, event, argument):
    global events, prepared
    prepared = prepared or (event == "return" and frame.f_code.co_name == "begin")
    events += prepared
    if events == last:
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.setprofile(count)
try:
    runpy.run_module("resnet50", run_name="__main__", alter_sys=True)
finally:
    sys.setprofile(None)
    if last < 0:
        print(events)
"""


def test_ctrl_c_at_any_moment_of_the_start_ends_it_quietly(weights_dir):
    def start(last):
        arguments = last, "classify", "none.png", "--weights", weights_dir
        return redirected("", *arguments, start=("-c", INTERRUPTED))

    events = int(start(-1).stdout)
    assert events > 10_000  # among them are those of importing NumPy and Pillow
    for part in (0, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95):
        done = start(1 + int(part * events))
        assert (done.returncode in (130, -signal.SIGINT), done.stdout, done.stderr) == (True, "", ""), part


def test_ctrl_c_that_is_ignored_stays_so(weights_dir):
    code = "import signal; from resnet50.console import begin; begin(); print(signal.getsignal(signal.SIGINT).name)"
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "SIG_IGN\n"


def test_a_command_can_clean_up_at_ctrl_c(interruptible, weights_dir):
    """A process that the signal kills has the exit code -2; one that handles it exits by itself, with 130."""
    command = [sys.executable, "-m", "resnet50", "bench", "--worker", "--size", "32", "--weights", str(weights_dir)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as process:
        assert b"load_seconds" in process.stdout.readline()
        for _ in range(12):  # Python misses a signal between its last look for one and the call that reads
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
                break
        assert (process.returncode, process.stderr.read()) == (130, b"")


def test_names_and_labels_cannot_steer_the_terminal(run, net, tmp_path, monkeypatch):
    hostile = tmp_path / HOSTILE
    Image.new("RGB", (40, 50), "teal").save(hostile)
    monkeypatch.setattr(net, "labels", [HOSTILE] * 7)
    code, out, err = run("classify", hostile)
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first.startswith(f"{tmp_path}/{SHOWN}  (")
    assert [line.split("%  ")[1] for line in rest] == [SHOWN] * 5
    code, out, err = run("classify", f"{hostile}s")
    assert (code, out, err) == (2, "", f"resnet50: {tmp_path}/{SHOWN}s: there is no such file\n")
    for arguments in (["classify", "x", "--top", HOSTILE], [HOSTILE]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.endswith("\n") and err[:-1].isprintable()


def test_json_holds_names_and_labels_exactly(run, net, tmp_path, monkeypatch):
    hostile = tmp_path / HOSTILE
    Image.new("RGB", (40, 50), "teal").save(hostile)
    monkeypatch.setattr(net, "labels", [HOSTILE] * 7)
    _, out, _ = run("classify", hostile, f"{hostile}s", "--json")
    assert all(line.isprintable() for line in out.split("\n"))
    good, bad = map(json.loads, out.splitlines())
    assert good["picture"] == str(hostile)
    assert good["top"][0]["label"] == HOSTILE
    assert bad["error"] == f"{hostile}s: there is no such file"


def test_a_name_that_cannot_be_a_file_does_not_stop_the_others(run, picture):
    long = "x" * 300
    code, out, err = run("classify", "", f"{long}.png", picture, f"{picture}/x.png", "nul\0.png")
    assert code == 2
    assert str(picture) in out
    empty, too_long, below, nul = err.splitlines()
    assert empty == "resnet50: '': there is no such file"
    assert long in too_long
    assert f"{picture}/x.png" in below
    assert "nul\\x00.png" in nul


def test_an_array_whose_name_cannot_be_a_file(run, tmp_path):
    for name in ("x" * 300 + ".npy", "nul\0.npy", "none.npy"):
        code, out, err = run("logits", name, "--out", tmp_path / "out.npy")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert console.shown(name) in err


def test_a_forbidden_folder_does_not_stop_the_others(run, tmp_path):
    (tmp_path / "forbidden").mkdir(mode=0)
    root = os.geteuid() == 0
    if root:  # who may read every folder
        os.seteuid(65534)
    try:
        code, out, err = run("classify", tmp_path / "forbidden" / "x.png", "none.png")
    finally:
        if root:
            os.seteuid(0)
    assert (code, out) == (2, "")
    forbidden, none = err.splitlines()
    assert os.strerror(errno.EACCES) in forbidden and "x.png" in forbidden
    assert none == "resnet50: none.png: there is no such file"


def test_an_empty_name_of_a_folder_or_an_output_is_refused(run, picture, tmp_path):
    for arguments in (["classify", picture, "--weights", ""], ["logits", picture, "--out", ""]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert "the name is empty" in err


def test_names_and_labels_are_shown_unchanged_where_possible(tmp_path, tensors, capsys):
    folder = write_weights(tmp_path / "weights", tensors, ["K\u00e4tzchen \u732b \\n"] * 7)
    Image.new("RGB", (40, 50)).save(tmp_path / "K\u00e4tzchen  1.png")
    assert cli.main(["classify", str(tmp_path / "K\u00e4tzchen  1.png"), "--weights", str(folder)]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path}/K\u00e4tzchen  1.png  (")
    assert second.endswith("%  K\u00e4tzchen \u732b \\n")
