"""Input that others control (compilers, folders, names, weight files): none runs as code, every fault is an error."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import narrow_tensors, random, write_weights
from resnet50 import CacheError, CompilerError, compiler, trust
from resnet50.codegen import source
from resnet50.instruction_sets import instruction_set
from resnet50.network import planned
from test_compiler import folder, libraries, load, program, refused, run

__all__ = ["folder"]  # the fixture: an empty cache

HOSTILE = "a 'name' with \"quotes\"\n*/ $(touch harmed); `touch harmed` #"  # for a shell and for C, and two lines long

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache needs a system with users")


def bench(weights, **variables):
    """Runs an inference on the command line."""
    return run("bench", "--size", "32", "--weights", weights, **variables)


def test_a_compiler_that_prints_rubbish_gives_one_line(folder, tmp_path, weights_dir):
    (tmp_path / "rubbish").write_bytes(random(0, 100000).tobytes())
    refused(bench(weights_dir, CC=program(tmp_path, f"cat '{tmp_path}/rubbish' >&2; exit 1")), "exit code 1")
    refused(bench(weights_dir, CC=program(tmp_path, f"cat '{tmp_path}/rubbish'")), "wrote no library")
    assert not libraries(folder)


def test_a_compiler_that_hangs_is_ended(folder, tmp_path, monkeypatch):
    """Even one whose child process keeps its output open."""
    monkeypatch.setattr(compiler, "PATIENCE", 0.5)
    monkeypatch.setenv("CC", program(tmp_path, '[ "$1" = --version ] || { sleep 600 & echo $! >"$0.pid"; wait; }'))
    try:
        with pytest.raises(CompilerError, match="did not finish within"):
            load()
    finally:
        os.kill(int((tmp_path / "my 'cc'.pid").read_text()), 9)
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("harm", ["machine", "width", "symbols", "folder"])
def test_a_compiler_that_writes_something_else_is_refused_and_nothing_is_kept(folder, tmp_path, monkeypatch, harm):
    load()
    [made] = libraries(folder)
    other = bytearray(made.read_bytes())
    if harm == "machine":
        other[18:20] = (183).to_bytes(2, "little")  # ELF's e_machine: AArch64
    elif harm == "width":
        other[4] = 1  # ELF's class: 32 bits
    elif harm == "symbols":
        other = other.replace(b"\0conv2d\0", b"\0conv3d\0")
    (tmp_path / "other").write_bytes(other)
    write = 'mkdir "$last"' if harm == "folder" else f"cat '{tmp_path}/other' >\"$last\""
    monkeypatch.setenv("CC", program(tmp_path, f'for last; do :; done; [ "$1" = --version ] || {write}'))
    compiler.loaded.clear()
    with pytest.raises(CompilerError, match="wrote no library" if harm == "folder" else "cannot be loaded"):
        load()
    assert libraries(folder) == [made]


def test_a_link_to_a_folder_is_resolved_before_the_check(folder, tmp_path):
    """The owner of the link could point it at another folder after the check."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    folder.symlink_to(own)
    assert trust.cache_folder() == own.resolve()
    load()
    assert len(libraries(own)) == 1


@pytest.mark.parametrize("target", ["nowhere", "itself", "file", "writable"])
def test_a_link_to_anything_but_a_folder_of_ones_own_is_refused(folder, tmp_path, target):
    (tmp_path / "file").touch()
    (tmp_path / "writable").mkdir()
    (tmp_path / "writable").chmod(0o777)
    folder.symlink_to(folder if target == "itself" else tmp_path / target)
    with pytest.raises(CacheError, match="RESNET50_CACHE"):
        load()
    assert not list((tmp_path / "writable").iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_that_truly_is_another_users_is_refused(folder):
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(CacheError, match="belongs to another user"):
        load()
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("unshare"), reason="needs Linux's mount namespaces")
@pytest.mark.parametrize(("options", "words"), [("ro", "Read-only file system"), ("size=8k", "")])
def test_a_full_or_read_only_disk_gives_a_clear_error(tmp_path, weights_dir, options, words):
    (tmp_path / "mounted").mkdir()
    mount = f'mount -t tmpfs -o {options},mode=700 none "$1"'
    script = f'{mount} || exit 77; exec "$0" -m resnet50 bench --size 32 --weights "$2"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, sys.executable]
    variables = os.environ | {"RESNET50_CACHE": str(tmp_path / "mounted")}
    done = subprocess.run(
        [*command, tmp_path / "mounted", weights_dir], env=variables, capture_output=True, text=True, timeout=120
    )
    if done.returncode not in (0, 2):
        pytest.skip(f"this system does not let a test mount: {done.stderr.strip()}")
    refused(done, words)


@pytest.fixture
def strange(tmp_path):
    """A weight folder whose name, labels, metadata and superfluous tensors are hostile."""
    tensors = narrow_tensors() | {f"{HOSTILE}.num_batches_tracked": np.zeros(1, np.int64)}
    return write_weights(tmp_path / "weights" / HOSTILE.replace("/", "|"), tensors, [HOSTILE.replace("\n", " ")] * 7)


def test_names_with_spaces_quotes_and_newlines_are_names(folder, tmp_path, monkeypatch, strange, weights_dir):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / HOSTILE.replace("/", "|")
    done = bench(strange, RESNET50_CACHE=str(place))
    assert done.returncode == 0, done.stderr
    assert libraries(place)
    place.chmod(0o777)
    refused(bench(weights_dir, RESNET50_CACHE=str(place)), "other users can write")
    assert not (tmp_path / "harmed").exists()


AUDIT = """
import sys
import numpy as np
from resnet50 import ResNet50
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
ResNet50(sys.argv[1])(np.zeros((32, 32, 3), np.float32))
RUN = ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.spawn", "subprocess.Popen")
print(*[(event, arguments[0], *arguments[1]) for event, arguments in seen if event in RUN], sep="\\n")
"""


def test_the_compiler_is_all_that_is_run_and_no_shell_is_involved(folder, weights_dir):
    """Checked with Python's audit events."""
    command = [sys.executable, "-c", AUDIT, str(weights_dir)]
    done = subprocess.run(command, env=os.environ | {"CC": "cc"}, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(libraries(folder)) + 1 > 20
    assert all(line.startswith("('subprocess.Popen', 'cc', 'cc', '-") for line in lines)


def test_only_the_sizes_of_a_weight_file_reach_the_c(folder, tmp_path, net, strange):
    """The compiler gets the same C as for a network without those names."""
    (tmp_path / "given").mkdir()
    tee = f"""if [ "$1" != --version ]; then
    given=$(mktemp '{tmp_path}/given/XXXXXX'); cat >"$given"; exec <"$given"
fi
exec cc "$@\""""
    done = bench(strange, CC=program(tmp_path, tee))
    assert done.returncode == 0, done.stderr
    given = {file.read_text() for file in (tmp_path / "given").iterdir()}
    steps = planned(net.weights, 32, 32)[0].steps
    convolutions = {step.convolution for step in steps if step.convolution}
    assert given == {source(conv, instruction_set()) for conv in convolutions}


@pytest.mark.parametrize("shape", [(2**40, 0, 7, 7), (2**62, 3, 0, 7), (0, 3, 7, 7), (2**31, 2**31, 0, 2**31)])
def test_sizes_are_checked_before_any_c_is_written(folder, tmp_path, weights_dir, shape):
    """A file can claim such sizes: with a zero among them they need no bytes."""
    strange = tmp_path / "strange"
    shutil.copytree(weights_dir, strange)
    file = strange / "weights.safetensors"
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    first, end = header["conv1.weight"]["data_offsets"]
    data = content[8 + length : 8 + length + first] + content[8 + length + end :]
    for entry in header.values():
        entry["data_offsets"] = [place - (end - first) * (place >= end) for place in entry["data_offsets"]]
    header["conv1.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    refused(bench(strange, CC="/bin/false"), "weights.safetensors")
    assert not list(folder.glob("*"))
