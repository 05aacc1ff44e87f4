"""The peers: held to the versions' output, timed in their rounds, and left out where they can't be had."""

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core.errors import WorkerError
from ladder.core.versions import ROOT
from ladder.inside import peer_worker
from ladder.timing import bench, peers
from ladder.timing.contestants import Contestant
from ladder.timing.peers import Kit, PeerWorker

from .conftest import Tree, results, write

# What stands in for peer_worker.py: peers.json has for each peer its answer, or the word that it refuses with.
FAKE = """
import json, pathlib, sys, threading, time
told = json.loads(pathlib.Path(__file__).with_name("peers.json").read_text()).get(sys.argv[1], "No module named x")
if isinstance(told, str):
    print(told, file=sys.stderr)
    sys.exit(2)
def spin():
    end = time.monotonic() + told.get("spin", 0)
    while time.monotonic() < end:
        pass
print(json.dumps({"load_seconds": 3.0, "how": f"{sys.argv[1]} 1.0: as {sys.argv[3:]}"}), flush=True)
for line in sys.stdin:
    threading.Thread(target=spin).start()
    print(json.dumps({"seconds": told["seconds"], "peak_memory": 1_100_000_000, "logits": told["logits"]}), flush=True)
"""


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch) -> Callable[..., Kit]:
    """Sets what the peers answer."""
    program = tmp_path / "program" / "fake_peer.py"
    write(program, FAKE)
    monkeypatch.setattr(peers, "PROGRAM", program)
    monkeypatch.setattr(peers, "install", lambda root: Path(sys.executable))
    monkeypatch.setattr(peers, "write_models", lambda *arguments: None)

    def told(**answers: object) -> Kit:
        write(program.with_name("peers.json"), json.dumps(answers))
        return Kit(Path(sys.executable), tmp_path, tmp_path, tmp_path)

    return told


def test_peers_are_timed_in_the_same_rounds_against_the_newest_version(machine, libraries, tree: Tree, capsys):
    machine("03_three", 1.0)
    machine("04_four", 0.5, previous="03_three", threads=True)
    libraries(**{"ONNX Runtime": {"seconds": 0.25, "logits": [1.0]}, "ncnn": {"seconds": 2.0, "logits": [1.0]}})
    assert main(["bench", "--peers", "--threads", "1,2", "--rounds", "16"], tree.root) == 0
    captured = capsys.readouterr()
    assert max(map(len, captured.out.splitlines())) <= 80
    assert "For those below the line: against 04_four." in " ".join(captured.out.split())
    assert "ladder: OpenVINO@2: No module named x; it is left out\n" in captured.err
    found = results(tree)
    assert [(line["name"], line["threads"]) for line in found["versions"]] == [
        ("03_three", 1), ("04_four", 1), ("04_four", 2)
    ]  # fmt: skip
    assert [(line["name"], line["threads"], line["previous"]) for line in found["peers"]] == [
        ("ONNX Runtime", 1, "04_four"), ("ONNX Runtime", 2, "04_four"), ("ncnn", 1, "04_four"), ("ncnn", 2, "04_four")
    ]  # fmt: skip
    quick, slow = found["peers"][1], found["peers"][3]
    assert quick["faster"]["median"] == 2.0 and quick["faster_than_base"]["median"] == 4.0
    assert slow["faster"]["median"] == 0.25 and slow["period"] == 2 and slow["rounds"] == list(range(0, 16, 2))
    assert (quick["load_seconds"], quick["later_load_seconds"], quick["peak_memory"]) == (3.0, None, 1_100_000_000)
    assert "'--size', '224', '--threads', '2'" in quick["idea"]


@pytest.mark.parametrize("logits", [[1.0, 1.0002], [1.0, float("nan")], [1.0]])
def test_a_peer_that_computes_something_else_is_an_error_and_not_a_bar(
    logits: list[float], machine, libraries, fake, tree: Tree, capsys
):  # fmt: skip
    machine("03_three", 1.0)
    fake("03_three", {"": [1.0, 1.0], "seconds": [1.0]})
    libraries(ncnn={"seconds": 0.1, "logits": logits}, OpenVINO={"seconds": 0.1, "logits": [1.0, 1.00001]})
    assert main(["bench", "--peers", "--threads", "1", "--rounds", "1"], tree.root) == 1
    captured = capsys.readouterr()
    assert "ladder: ncnn@1 is wrong and left out: its logits are " in captured.err
    assert "away from 03_three's, beyond 0.00012" in captured.err
    assert [line["name"] for line in results(tree)["peers"]] == ["OpenVINO"]
    assert "ncnn" not in captured.out


def test_the_most_exact_version_judges_the_newest_of_those(machine, libraries, fake, tree: Tree):
    machine("03_three", 1.0)
    fake("04_four", {"": [2.0], "seconds": [1.0]}, previous="03_three")
    fake("05_five", {"": [3.0], "seconds": [1.0]}, previous="04_four", tolerance=3e-2)
    libraries(ncnn={"seconds": 0.1, "logits": [2.0]})
    assert main(["bench", "--peers", "--threads", "1", "--rounds", "1"], tree.root) == 0
    assert results(tree)["peers"][0]["previous"] == "05_five"  # as for speed, that is the newest


def test_peers_in_8_bits_are_judged_by_and_compared_with_the_version_in_8_bits(
    machine, libraries, fake, tree: Tree, capsys
):
    machine("03_three", 1.0)
    fake("04_four", {"": [2.0], "seconds": [1.0]}, previous="03_three", int8=True)
    libraries(
        **{
            "ncnn": {"seconds": 0.5, "logits": [1.0]},
            "ONNX Runtime int8": {"seconds": 0.5, "logits": [2.39]},
            "OpenVINO int8": {"seconds": 0.5, "logits": [4.2]},  # 1.1 of 2
        }
    )
    assert main(["bench", "--versions", "03,04", "--peers", "--threads", "1", "--rounds", "1"], tree.root) == 1
    captured = capsys.readouterr()
    assert "OpenVINO int8@1 is wrong and left out: its logits are 1.1e+00 away from 04_four's, beyond 1" in captured.err
    assert "ONNX Runtime int8@1: its logits are 2.0e-01 away from 04_four's" in captured.err
    found = {line["name"]: line["previous"] for line in results(tree)["peers"]}
    assert found == {"ncnn": "03_three", "ONNX Runtime int8": "04_four"}
    assert "against 03_three or, in 8-bit integers, 04_four." in " ".join(captured.out.split())


def test_without_a_version_in_8_bits_there_are_no_such_peers(machine, libraries, tree: Tree, capsys):
    machine("03_three", 1.0)
    libraries(**{"ONNX Runtime int8": {"seconds": 0.5, "logits": [1.0]}})
    assert main(["bench", "--peers", "--threads", "1", "--rounds", "1"], tree.root) == 0
    assert results(tree)["peers"] == [] and "int8" not in capsys.readouterr().err


def test_a_peer_has_come_to_rest_before_the_next_one_begins(libraries, monkeypatch):
    monkeypatch.setattr(peers, "TICK", 0.1)  # so that a thread is seen that gets a tenth of a processor only
    kit = libraries(ncnn={"seconds": 0.1, "logits": [0.0], "spin": 0.5})
    with PeerWorker(Contestant("ncnn", "", None), kit, 64) as worker:
        began = time.monotonic()
        worker.infer()
        assert time.monotonic() - began >= 0.5


def test_without_peers_nothing_is_installed(machine, tree: Tree, monkeypatch):
    machine("03_three", 1.0)
    monkeypatch.setattr(peers, "install", lambda root: pytest.fail("installed"))
    assert bench.bench(tree.root, size=64, rounds=1, seconds=1000) == 0
    assert results(tree)["peers"] == []


def test_packages_are_installed_one_by_one_and_those_that_failed_again(tree: Tree, monkeypatch, capsys):
    write(tree.root / "pyproject.toml", '[dependency-groups]\npeers = ["good==1", "bad==2", "fine==3"]\n')
    tried, broken = [], {"bad==2"}

    def attempt(failure: str, command: list[object], folder: Path) -> str:
        if "install" in command:
            tried.append(command[-1])
        return f"{failure}: no wheel" if command[-1] in broken else ""

    monkeypatch.setattr(peers, "attempt", attempt)
    peers.install(tree.root)
    assert tried == ["good==1", "bad==2", "fine==3"]
    assert capsys.readouterr().err.endswith("ladder: bad==2 is not installed: no wheel\n")
    broken.clear()
    peers.install(tree.root)
    assert len(tried) == 6  # once more, since something was missing
    peers.install(tree.root)
    assert len(tried) == 6


def test_a_step_that_fails_says_its_last_line(tmp_path: Path):
    say = [sys.executable, "-c", "print('first\\nlast'); raise SystemExit(1)"]
    assert peers.attempt("no model", say, tmp_path) == "no model: last"
    assert peers.attempt("no model", [sys.executable, "-c", ""], tmp_path) == ""
    missing = peers.attempt("no model", ["no_such_program"], tmp_path)
    assert missing == "no model: no_such_program: No such file or directory"


def test_every_peer_has_a_model_and_a_loader():
    assert peers.MODELS.keys() == peer_worker.LOADERS.keys()


def test_torch_is_the_one_that_the_golden_files_were_made_with():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    pins = {package for package in groups["reference"] if isinstance(package, str) and package.startswith("torch")}
    assert len(pins) == 2 and pins <= set(groups["peers"])


STUB = """
__version__ = "9.8"
class GraphOptimizationLevel:
    ORT_ENABLE_ALL = 99
class SessionOptions:
    pass
class InferenceSession:
    def __init__(self, model, options, providers):
        self.threads = options.intra_op_num_threads
        open(model).close()
    def run(self, outputs, inputs):
        [image] = inputs.values()
        assert image.flags.c_contiguous
        return [image[:, :, :1, :1].reshape(1, 3) * self.threads]
"""


def run_peer(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The program itself, where only a made-up ONNX Runtime is installed."""
    write(folder / "onnxruntime.py", STUB)
    settings = ["--size", "32", "--threads", "2", "--cache", str(folder)]
    command = [sys.executable, "-P", str(peers.PROGRAM), *arguments, *settings]
    own = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, input="\n\n", capture_output=True, text=True, env=own)


def test_the_program_answers_as_a_versions_worker_does(tmp_path: Path):
    write(tmp_path / "model.onnx", "")
    done = run_peer(tmp_path, "ONNX Runtime", str(tmp_path / "model.onnx"))
    first, *answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["load_seconds"] > 0 and first["how"] == "onnxruntime 9.8: all graph optimisations"
    assert len(answers) == 2 and all(answer["seconds"] > 0 for answer in answers)
    # Twice the first pixel of RandomState(0).
    assert answers[1]["logits"] == pytest.approx([3.5281047, 0.8003144, 1.9574760])


@pytest.mark.parametrize(
    ("peer", "words"), [("ncnn", "No module named 'ncnn'"), ("ONNX Runtime", "No such file or directory")]
)
def test_the_program_refuses_with_one_line(peer: str, words: str, tmp_path: Path):
    done = run_peer(tmp_path, peer, str(tmp_path / "missing"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and words in done.stderr


def test_a_refusal_names_the_peer(libraries):
    kit = libraries(ncnn="there is no ncnn")
    with pytest.raises(WorkerError, match=r"^ncnn@2: there is no ncnn$"):
        PeerWorker(Contestant("ncnn", "", None, 2), kit, 64)


def test_the_models_are_exported_by_a_tool_that_finds_the_others(tmp_path: Path, monkeypatch):
    """The environment of the peers has no PYTHONPATH but what `write_models` gives."""
    called = []
    monkeypatch.setattr(peers, "attempt", lambda *arguments, **own: called.append((arguments, own)) or "")
    peers.write_models(Path(sys.executable), tmp_path, 64, tmp_path, int8=True)
    assert len(called) == 3 and called[2][0][1][-2:] == ["--int8", "qdq"]
    (_, command, folder), own = called[0]
    assert command[1:3] == ["-m", "shared_weights"]
    monkeypatch.undo()
    assert peers.attempt("failed", [*command[:3], "--help"], folder, **own) == ""
