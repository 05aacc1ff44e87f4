"""The command line: its output, and its answer to bad input, which is one line on stderr and exit code 2."""

import io
import json
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from conftest import POSTSCRIPT, narrow_tensors, random, write_weights
from PIL import Image
from resnet50 import __main__ as cli

HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999, 9999999, 3)}\n"


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "random.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (40, 50, 3)).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def run(monkeypatch, capsys, weights_dir):
    """A function that runs a command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setenv("RESNET50_WEIGHTS", str(weights_dir))

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def module(*arguments, **settings):
    """Runs `python -m resnet50` as a process of its own."""
    command = [sys.executable, "-m", "resnet50", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **settings)


def test_classify_prints_the_likeliest_labels(run, net, picture):
    code, out, err = run("classify", picture, "--top", 3)
    logits = net(net.preprocess(picture))
    assert (code, err) == (0, "")
    assert str(picture) in out
    best = np.argsort(-logits)[:3]
    assert [line.split("%")[1].strip() for line in out.splitlines()[1:]] == [net.labels[i] for i in best]


def test_classify_as_json_prints_a_line_per_picture(run, net, picture):
    code, out, _ = run("classify", picture, picture, "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert first["picture"] == str(picture)
    assert first["seconds"] > 0
    assert first["top"] == second["top"]
    assert len(first["top"]) == 5
    logits = net(net.preprocess(picture)).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    for guess in first["top"]:
        assert guess["label"] == net.labels[guess["index"]]
        assert guess["probability"] == pytest.approx(probabilities[guess["index"]], rel=1e-12)


def test_asking_for_more_labels_than_there_are_classes_gives_all(run, picture):
    _, out, _ = run("classify", picture, "--json", "--top", 100)
    assert len(json.loads(out)["top"]) == 7


def test_equal_logits_are_named_in_the_order_of_the_labels(run, tmp_path, picture):
    tensors = narrow_tensors()
    equal = {"fc.weight": np.zeros_like(tensors["fc.weight"]), "fc.bias": np.zeros(7, np.float32)}
    _, out, _ = run("classify", picture, "--json", "--weights", write_weights(tmp_path, tensors | equal))
    assert [guess["index"] for guess in json.loads(out)["top"]] == [0, 1, 2, 3, 4]


def test_a_bad_picture_does_not_stop_the_others(run, tmp_path, picture):
    code, out, err = run("classify", tmp_path / "none.png", picture, "--json")
    bad, good = map(json.loads, out.splitlines())
    assert code == 2
    assert "no such file" in bad["error"]
    assert len(good["top"]) == 5
    assert len(err.splitlines()) == 1


def test_a_network_that_overflows_names_no_label(run, tmp_path, picture):
    tensors = narrow_tensors()
    weights = write_weights(tmp_path, tensors | {"fc.weight": np.full((7, 160), 3e38, np.float32)})
    code, out, err = run("classify", picture, "--weights", weights)
    assert (code, out) == (2, "")
    assert "not finite" in err


def test_logits_of_a_picture_and_of_an_array_are_the_same(run, net, tmp_path, picture):
    image = net.preprocess(picture)
    np.save(tmp_path / "image.npy", image)
    assert run("logits", picture, "--out", tmp_path / "a.npy") == (0, "", "")
    assert run("logits", tmp_path / "image.npy", "--out", tmp_path / "b") == (0, "", "")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), net(image))
    np.testing.assert_array_equal(np.load(tmp_path / "b"), net(image))


def test_bench_prints_times(run):
    code, out, _ = run("bench", "--size", 32, "--repeat", 3, "--json")
    result = json.loads(out)
    assert code == 0
    assert result["fastest_seconds"] <= result["median_seconds"] <= result["slowest_seconds"]
    assert result["load_seconds"] > 0
    code, out, _ = run("bench", "--size", 32, "--repeat", 1)
    assert code == 0
    assert "32 x 32 pixels" in out


def test_worker_answers_each_line(net, tmp_path, picture, weights_dir):
    image = random(1, 32, 33, 3)
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "flat.npy", image[0])
    lines = f"\n{tmp_path / 'image.npy'}\n{picture}\n{tmp_path / 'none.png'}\n{tmp_path / 'flat.npy'}\n\n"
    done = module("bench", "--worker", "--size", 32, "--weights", weights_dir, input=lines)
    assert (done.returncode, done.stderr) == (0, "")
    ready, first, array, of_picture, bad, flat, last = map(json.loads, done.stdout.splitlines())
    assert ready["load_seconds"] > 0
    assert first["seconds"] > 0
    if sys.platform != "win32":
        assert first["peak_memory"] > 2**23  # bytes; Python and NumPy alone take more
    assert first["logits"] == last["logits"]
    assert array["logits"] == net(image).tolist()
    assert of_picture["logits"] == net(net.preprocess(picture)).tolist()
    assert "no such file" in bad["error"]
    assert flat["error"].startswith(f"{tmp_path / 'flat.npy'}: the image must")


def test_worker_reports_nan(run, tmp_path, monkeypatch):
    np.save(tmp_path / "nan.npy", np.full((32, 32, 3), np.nan, np.float32))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{tmp_path / 'nan.npy'}\n"))
    code, out, err = run("bench", "--worker", "--size", 32)
    assert (code, err) == (0, "")
    assert np.isnan(json.loads(out.splitlines()[1])["logits"]).all()


def one_line(code, out, err):
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["classify"],
        ["classify", "x.png", "--top", "0"],
        ["classify", "x.png", "--top", "many"],
        ["logits", "x.png"],
        ["bench", "--size", "-3"],
        ["bench", "--repeat", "0"],
        ["bench", "--size", "5"],
        ["bench", "--size", "2000"],
        ["bench", "--size", "9999999999999"],
        ["classify", "--no\nsuch"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(run, arguments):
    one_line(*run(*arguments))


def test_a_picture_that_cannot_be_used(run, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("none.png", "empty.png", ".", "new\nline.png"):
        assert str(tmp_path) in one_line(*run("classify", tmp_path / name))
        assert str(tmp_path) in one_line(*run("logits", tmp_path / name, "--out", tmp_path / "out.npy"))
    assert not (tmp_path / "out.npy").exists()


def test_the_libraries_that_read_pictures_are_silent(tmp_path, weights_dir):
    """libtiff writes to stderr on its own, and Pillow warns: here about damaged pixels and about damaged EXIF."""
    damaged = tmp_path / "damaged.tiff"
    Image.new("RGB", (50, 40)).save(damaged, compression="tiff_adobe_deflate")
    content = damaged.read_bytes()
    packed = content.index(zlib.compress(bytes(3 * 50 * 40))[:2])
    damaged.write_bytes(content[: packed + 2] + b"\xff" * 8 + content[packed + 10 :])
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0"  # a tag that is cut short
    Image.new("RGB", (50, 40)).save(tmp_path / "half_exif.jpg", exif=exif)
    done = module("classify", damaged, tmp_path / "half_exif.jpg", "--weights", weights_dir)
    assert str(tmp_path / "half_exif.jpg") in done.stdout
    assert str(damaged) in one_line(done.returncode, "", done.stderr)


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes stderr")
def test_a_closed_stderr_is_not_an_error_and_its_lines_are_not_on_stdout(picture, weights_dir):
    command = [sys.executable, "-m", "resnet50", "classify", str(picture), "none.png", "--weights", str(weights_dir)]
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"%" in done.stdout and b"none.png" not in done.stdout


def test_an_array_that_cannot_be_used(run, tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((5, 5, 3), np.float32))
    np.save(tmp_path / "double.npy", np.zeros((32, 32, 3)))
    np.save(tmp_path / "objects.npy", np.array([None, "x"]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04" + bytes(100))
    for name, header in (("unhashable.npy", b"{[]: 1}"), ("nested.npy", b"-" * 5000), ("huge.npy", HUGE)):
        (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 9
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npy")
        names.append("pipe.npy")
    for name in (*names, "none.npy"):
        assert name in one_line(*run("logits", tmp_path / name, "--out", tmp_path / "out.npy"))


def test_an_output_that_cannot_be_written(run, tmp_path, picture):
    assert "out.npy" in one_line(*run("logits", picture, "--out", tmp_path / "none" / "out.npy"))


def test_no_weights_says_how_to_get_some(run, monkeypatch, picture):
    monkeypatch.delenv("RESNET50_WEIGHTS")
    assert "--weights" in one_line(*run("classify", picture))


def test_weights_that_cannot_be_used(run, tmp_path, picture):
    assert "nowhere" in one_line(*run("classify", picture, "--weights", tmp_path / "nowhere"))


def test_an_interrupted_command_ends_quietly(run, monkeypatch, picture):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.ResNet50, "__call__", interrupted)
    assert run("classify", picture) == (130, "", "")


def test_a_reader_that_stops_early_is_not_an_error(picture, weights_dir):
    command = [sys.executable, "-m", "resnet50", "classify", *[str(picture)] * 3, "--weights", str(weights_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_to_a_full_disk_gives_one_line(picture, weights_dir, options):
    command = [sys.executable, "-m", "resnet50", "classify", picture, "--weights", weights_dir, *options]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert "No space left" in one_line(done.returncode, "", done.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows, names of files are not bytes")
def test_names_and_labels_that_the_terminal_cannot_show(tmp_path, tensors, picture):
    folder = write_weights(tmp_path / "weights", tensors, ["K\u00e4tzchen"] * 7)
    name = os.fsencode(tmp_path) + b"/\xff.png"
    with open(name, "wb") as file:
        file.write(picture.read_bytes())
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = module("classify", os.fsdecode(name), "--weights", folder, env=ascii_only)
    assert (done.returncode, done.stderr) == (0, "")
    assert "K\\xe4tzchen" in done.stdout


def test_exit_codes_of_the_process(tmp_path, picture, weights_dir):
    good = module("classify", picture, "--weights", weights_dir)
    assert (good.returncode, good.stderr) == (0, "")
    bad = module("classify", picture, "--weights", tmp_path)
    one_line(bad.returncode, bad.stdout, bad.stderr)
    assert module("--help").returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="the fake gs is a shell script")
@pytest.mark.parametrize("name", ["picture.jpg", "picture.eps"])
def test_no_other_program_is_started_for_a_picture(run, tmp_path, ghostscript, name):
    (tmp_path / name).write_bytes(POSTSCRIPT)
    assert f"{tmp_path / name}: is PostScript" in one_line(*run("classify", tmp_path / name))
    assert not ghostscript.exists()
