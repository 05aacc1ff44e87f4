"""The fastest instructions of the processor are used, unless $RESNET50_ISA says otherwise; all give the same bits."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from adapter import prepare
from conftest import random
from resnet50 import ResNet50, UnsupportedProcessor, compiler, ops
from resnet50.codegen import source
from resnet50.compiler import Compiler
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.packing import constants_size, packed_size
from resnet50.rounding import round_up
from resnet50.tiles import Convolution, Pool, most_pixels, spans, strip_channels

AVX512, AVX_VNNI, AVX2 = (INSTRUCTION_SETS[name] for name in ("avx512vnni", "avxvnni", "avx2"))
HAS = {"avx512vnni": ops.has_avx512_vnni(), "avxvnni": ops.has_avx_vnni(), "avx2": True}
ABLE = [name for name in INSTRUCTION_SETS if HAS[name]]
QEMU = shutil.which("qemu-x86_64")
EMULATED = pytest.mark.skipif(
    QEMU is None or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="needs qemu-x86_64 (Debian's qemu-user) to emulate another processor, without AddressSanitizer",
)


def command_line(*arguments, emulated=False, **variables):
    """Runs `python -m resnet50` in a process of its own, on an emulated processor without VNNI if `emulated`."""
    command = [sys.executable, "-m", "resnet50", *map(str, arguments)]
    if emulated:
        command = [QEMU, "-cpu", "max,-avx512f,-avx-vnni", *command]
        variables["OPENBLAS_CORETYPE"] = ""  # it would tell NumPy's OpenBLAS to use this processor's instructions
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False)


def with_processor(monkeypatch, *names):
    """Pretends that the processor has these instruction sets, besides AVX2."""
    monkeypatch.setattr(ops, "has_avx512_vnni", lambda: "avx512vnni" in names)
    monkeypatch.setattr(ops, "has_avx_vnni", lambda: "avxvnni" in names)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("avx512vnni", "avxvnni"), AVX512), (("avx512vnni",), AVX512), (("avxvnni",), AVX_VNNI), ((), AVX2)],
    ids=str,
)
@pytest.mark.parametrize("unset", [True, False], ids=["unset", "empty"])
def test_the_widest_instructions_that_the_processor_has_are_used(names, expected, unset, monkeypatch):
    with_processor(monkeypatch, *names)
    monkeypatch.setenv("RESNET50_ISA", "")
    if unset:
        monkeypatch.delenv("RESNET50_ISA")
    assert instruction_set() is expected


@pytest.mark.parametrize("name", INSTRUCTION_SETS)
def test_the_variable_names_the_instruction_set(name, monkeypatch):
    with_processor(monkeypatch, *INSTRUCTION_SETS)
    monkeypatch.setenv("RESNET50_ISA", name)
    assert instruction_set() is INSTRUCTION_SETS[name]


@pytest.mark.parametrize(
    ("name", "names", "allowed"),
    [
        ("mmx", ("avx512vnni",), "avx512vnni or avx2"),
        ("AVX2", INSTRUCTION_SETS, "avx512vnni or avxvnni or avx2"),
        ("avx2 ", ("avxvnni",), "avxvnni or avx2"),
        ("mmx", (), "avx2"),
        ("avx512vnni", (), "avx2"),
        ("avx512", ("avx512vnni",), "avx512vnni or avx2"),
    ],
)
def test_an_instruction_set_that_is_unknown_or_unsupported_is_refused(name, names, allowed, monkeypatch):
    with_processor(monkeypatch, *names)
    monkeypatch.setenv("RESNET50_ISA", name)
    with pytest.raises(
        UnsupportedProcessor, match=f"^RESNET50_ISA is '{name}', but on this processor it must be {allowed}$"
    ):
        instruction_set()


@pytest.mark.skipif(not os.path.exists("/proc/cpuinfo"), reason="only Linux lists the features of the processor")
def test_what_the_processor_has_is_what_the_system_says():
    flags = set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1].split())
    assert ops.has_avx512_vnni() == ({"avx512f", "avx512bw", "avx512vl", "avx512_vnni"} <= flags)
    assert ops.has_avx_vnni() == ("avx_vnni" in flags)


def test_the_command_line_refuses_an_unknown_instruction_set_in_one_line(weights_dir):
    done = command_line("bench", "--size", "32", "--weights", weights_dir, RESNET50_ISA="sse\n\udcff")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "RESNET50_ISA" in done.stderr


@pytest.mark.parametrize("name", ABLE)
@pytest.mark.parametrize("outputs", [1, 4, 7, 15, 16, 17, 20, 31, 32, 33, 47])
@pytest.mark.parametrize("logits", [False, True])
def test_nothing_is_written_before_or_after_the_output(outputs, name, logits):
    isa = INSTRUCTION_SETS[name]
    prepare()
    conv = Convolution(3, 5, 6, outputs, 1, 1, 1, 0, relu=not logits, logits=logits)
    weight = np.ones((packed_size(outputs, conv.kernel_size, isa), 4), np.int8).view(np.float32).ravel()
    constants = np.zeros(constants_size(outputs, isa), np.float32)
    for first in range(0, outputs, strip_channels(isa)):
        width = round_up(min(strip_channels(isa), outputs - first), isa.lanes)
        constants[constants_size(first, isa) :][width : 2 * width] = 1
    guard, place, size = 30, 60, conv.output_size
    step = ("conv2d", place, 0, 0, compiler.load([conv], isa)[conv], (weight, constants))
    program = ops.Program(place + size + guard, (0, 30), (place, size), (step,))
    arena = np.full(place + size + guard, 7, np.float32)
    given = np.tile(np.uint8([1, 1, 1, 1, 1, 1, 9, 9]), 15).view(np.float32)  # the last two meet weights too here
    program.run(ops.crew(1, False), arena, given, np.empty(size, np.float32), None)
    made = arena[place : place + size]
    if logits:
        assert (made == 24).all()
    else:
        assert (made.view(np.uint8).reshape(15, -1)[:, :outputs] == 24).all()
    assert (arena[30:place] == 7).all() and (arena[place + size :] == 7).all()


@pytest.mark.parametrize("name", ABLE)
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_a_network_gives_the_same_bits_with_all_and_any_number_of_threads(name, threads, net, weights_dir, monkeypatch):
    monkeypatch.setenv("RESNET50_ISA", name)
    other = ResNet50(weights_dir, threads=threads)
    assert other.weights.isa is INSTRUCTION_SETS[name]
    image = random(0, 33, 47, 3)
    np.testing.assert_array_equal(other(image), net(image))


@pytest.mark.skipif(not HAS["avx512vnni"], reason="needs AVX-512's form of AVX-VNNI's instruction")
def test_the_row_of_avx_vnni_gives_the_same_bits_with_avx512s_form_of_its_instruction(net, weights_dir, monkeypatch):
    """Many processors with AVX-512 VNNI lack AVX-VNNI; all else in the row they can run."""
    helper = tuple(line.replace("%{vex%} ", "") for line in AVX_VNNI.helper)
    row = replace(AVX_VNNI, helper=helper, flags=(*AVX2.flags, "-mavx512vl", "-mavx512vnni"))
    assert helper != AVX_VNNI.helper
    monkeypatch.setitem(INSTRUCTION_SETS, "avx2", row)
    monkeypatch.setenv("RESNET50_ISA", "avx2")
    other = ResNet50(weights_dir)
    assert other.weights.isa is row
    image = random(0, 33, 47, 3)
    np.testing.assert_array_equal(other(image), net(image))


def test_a_tile_fills_31_of_the_32_registers():
    conv = Convolution(14, 14, 256, 256, 3, 3, 1, 1)
    assert (most_pixels(conv, AVX512), strip_channels(AVX512)) == (14, 32)
    text = source(conv, AVX512)
    assert "take 31 of 32 registers; 14 + 2 loads serve 112 multiply-adds in each lane." in text


@pytest.mark.parametrize("columns", [7, 14, 28, 56, 112])
def test_the_rows_of_a_resnet_leave_no_remainder(columns):
    [width] = {span.tile.pixels for span in spans(Convolution(3, columns, 3, 8, 3, 3, 1, 1), AVX512)}
    assert columns % width == 0


def test_only_whole_quads_of_output_channels_are_stored():
    text = source(Convolution(1, 1, 8, 37, 1, 1, 1, 0), AVX512)
    assert text.count("_mm256_storeu_si256") == 1  # a full strip
    assert text.count("_mm256_mask_storeu_epi32(output, 0x0003, ") == 1  # 5 channels


LOOP = re.compile(r"^\s*([0-9a-f]+):\s*(.*)$", re.MULTILINE)
MULTIPLIES = re.compile(r"vpdpbusd|vpmaddwd")


def innermost_loops(library):
    """The instructions of each loop that multiplies, and contains no other loop."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", library]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [(int(place, 16), words) for place, words in LOOP.findall(text)]
    jumps = [(place, int(words.split()[1], 16)) for place, words in lines if re.match(r"j\w+ +[0-9a-f]+ ", words)]
    loops = sorted({(target, place) for place, target in jumps if target < place})
    inner = [
        one for one in loops if not any(one != other and one[0] <= other[0] and other[1] <= one[1] for other in loops)
    ]
    found = [[words for place, words in lines if first <= place <= last] for first, last in inner]
    return [loop for loop in found if any(MULTIPLIES.search(words) for words in loop)]


# Layers of a ResNet-50, each with another epilogue or another loop.
FULL = [
    Convolution(230, 230, 3, 64, 7, 7, 2, 0, relu=True, pool=Pool(3, 2, 1)),
    Convolution(56, 56, 64, 256, 1, 1, 1, 0, residual=True, relu=True),
    Convolution(56, 56, 256, 64, 1, 1, 1, 0, relu=True),
    Convolution(56, 56, 128, 128, 3, 3, 2, 1, relu=True),
    Convolution(14, 14, 256, 256, 3, 3, 1, 1, relu=True),
    Convolution(28, 28, 512, 1024, 1, 1, 2, 0),
    Convolution(1, 1, 2048, 1000, 1, 1, 1, 0, logits=True),
]


@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump to read the machine code")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer adds code of its own")
@pytest.mark.parametrize("conv", FULL, ids=lambda conv: conv.name)
@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=lambda isa: isa.name)
def test_no_innermost_loop_keeps_a_sum_on_the_stack(isa, conv, tmp_path):
    """gcc 12 does if it is given VNNI's intrinsics; the loops then take twice the time."""
    prepare()
    Compiler(isa).compile(source(conv, isa), tmp_path / "made.so")
    loops = innermost_loops(tmp_path / "made.so")
    assert loops
    for loop in loops:
        assert not [words for words in loop if re.search(r"mm\d.*\(%r[sb]p|\(%r[sb]p.*mm\d", words)]


@EMULATED
def test_without_vnni_a_network_gives_the_same_bits_with_avx2(weights_dir, net, tmp_path):
    image = random(0, 33, 47, 3)
    np.save(tmp_path / "image.npy", image)
    arguments = ["logits", tmp_path / "image.npy", "--weights", weights_dir, "--out", tmp_path / "logits.npy"]
    done = command_line(*arguments, emulated=True)
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), net(image))


def test_constants_of_strips_follow_one_another():
    for isa in INSTRUCTION_SETS.values():
        places = [constants_size(first, isa) for first in range(0, 200, strip_channels(isa))]
        assert {later - before for before, later in pairwise(places)} == {constants_size(strip_channels(isa), isa)}
