"""AVX-512 is used where the processor has it, unless $RESNET50_ISA says otherwise, and gives the same bits as AVX2."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import reference
from adapter import run_op
from conftest import EPS, random
from resnet50 import ResNet50, UnsupportedProcessor, compiler, ops
from resnet50.codegen import source
from resnet50.instruction_sets import ARM, INSTRUCTION_SETS, instruction_set
from resnet50.packing import packed_size
from resnet50.tiles import Convolution, most_pixels, spans, strip_channels

pytestmark = pytest.mark.skipif(ARM, reason="ARM has neither AVX-512 nor AVX2")

BOTH = ("avx512", "avx2")
AVX512, AVX2 = map(INSTRUCTION_SETS.get, BOTH)
HERE = pytest.mark.skipif(not ops.has_avx512(), reason="this processor lacks AVX-512")
QEMU = shutil.which("qemu-x86_64")
EMULATED = pytest.mark.skipif(
    QEMU is None or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="needs qemu-x86_64 (Debian's qemu-user) to emulate another processor, without AddressSanitizer",
)

# height, width, channels, outputs, kernel height and width, stride, padding: tiles of 14 pixels and smaller ones,
# strips of 32 channels and narrower ones, registers with all 16 lanes in use and with fewer.
SHAPES = [
    (5, 14, 3, 32, 3, 3, 1, 1),
    (3, 29, 5, 37, 3, 3, 1, 1),
    (9, 9, 3, 17, 7, 7, 2, 3),
    (4, 30, 2, 65, 1, 1, 1, 0),
    (5, 8, 7, 16, 1, 1, 2, 0),
    (1, 1, 40, 111, 1, 1, 1, 0),
]


def command_line(*arguments, emulated=False, **variables):
    """Runs `python -m resnet50` in a process of its own, on an emulated processor without AVX-512 if `emulated`."""
    command = [sys.executable, "-m", "resnet50", *map(str, arguments)]
    if emulated:
        command = [QEMU, "-cpu", "max,-avx512f", *command]
        variables["OPENBLAS_CORETYPE"] = ""  # it would tell NumPy's OpenBLAS to use this processor's instructions
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(("has", "expected"), [(True, AVX512), (False, AVX2)], ids=["with", "without"])
@pytest.mark.parametrize("unset", [True, False], ids=["unset", "empty"])
def test_a_processor_with_avx512_uses_it_and_another_one_avx2(has, expected, unset, monkeypatch):
    monkeypatch.setattr(ops, "has_avx512", lambda: has)
    monkeypatch.setenv("RESNET50_ISA", "")
    if unset:
        monkeypatch.delenv("RESNET50_ISA")
    assert instruction_set() is expected


@pytest.mark.parametrize("name", BOTH)
def test_the_variable_names_the_instruction_set(name, monkeypatch):
    monkeypatch.setattr(ops, "has_avx512", lambda: True)
    monkeypatch.setenv("RESNET50_ISA", name)
    assert instruction_set() is INSTRUCTION_SETS[name]


@pytest.mark.parametrize(
    ("name", "has", "allowed"),
    [
        ("mmx", True, "avx512 or avx2"),
        ("AVX2", True, "avx512 or avx2"),
        ("avx2 ", True, "avx512 or avx2"),
        ("mmx", False, "avx2"),
        ("avx512", False, "avx2"),
    ],
)
def test_an_instruction_set_that_is_unknown_or_unsupported_is_refused(name, has, allowed, monkeypatch):
    monkeypatch.setattr(ops, "has_avx512", lambda: has)
    monkeypatch.setenv("RESNET50_ISA", name)
    with pytest.raises(
        UnsupportedProcessor, match=f"^RESNET50_ISA is '{name}', but on this processor it must be {allowed}$"
    ):
        instruction_set()


def test_the_command_line_refuses_an_unknown_instruction_set_in_one_line(weights_dir):
    done = command_line("bench", "--size", "32", "--weights", weights_dir, RESNET50_ISA="sse\n\udcff")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "RESNET50_ISA" in done.stderr


@HERE
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_give_the_same_bits_within_the_rounding_bound(shape, monkeypatch):
    conv = Convolution(*shape)
    x = random(0, conv.height, conv.width, conv.channels)
    weight = random(1, conv.outputs, conv.channels, conv.kernel_height, conv.kernel_width)
    sizes = {"stride": conv.stride, "padding": conv.padding}
    outputs = []
    for name in BOTH:
        monkeypatch.setenv("RESNET50_ISA", name)
        outputs.append(run_op("conv2d", x, weight, **sizes))
    expected = reference.conv2d(x, weight, **sizes)
    bound = conv.kernel_size * EPS * reference.conv2d(np.abs(x), np.abs(weight), **sizes)
    assert (np.abs(outputs[0] - expected) <= bound).all()
    np.testing.assert_array_equal(*outputs)


@HERE
@pytest.mark.parametrize("outputs", [5, 35])
def test_both_carry_nan_and_infinity_to_the_same_places(outputs, monkeypatch):
    """Lanes beyond the last channel multiply infinity by zero; the resulting NaN must not be stored."""
    x, weight = random(0, 9, 15, 3), random(1, outputs, 3, 3, 3)
    x[2, 3, 1], x[7, 12, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = reference.conv2d(x, weight, 1, 1)
    for name in BOTH:
        monkeypatch.setenv("RESNET50_ISA", name)
        actual = run_op("conv2d", x, weight, stride=1, padding=1)
        np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
        infinite = np.isinf(expected)
        np.testing.assert_array_equal(np.isinf(actual), infinite)
        np.testing.assert_array_equal(actual[infinite], expected[infinite])


@HERE
@pytest.mark.parametrize("isa", (AVX512, AVX2), ids=lambda isa: isa.name)
@pytest.mark.parametrize("outputs", [1, 7, 15, 16, 17, 31, 32, 33, 47])
def test_nothing_is_written_before_or_after_the_output(outputs, isa):
    conv = Convolution(3, 5, 2, outputs, 1, 1, 1, 0)
    weight = np.ones(packed_size(outputs, conv.kernel_size, isa), np.float32)
    bias = np.zeros(packed_size(outputs, 1, isa), np.float32)
    guard, end = 30, 60 + 15 * outputs
    step = ("conv2d", 60, 0, 0, compiler.load([conv], isa)[conv], (weight, bias))
    program = ops.Program(end + guard, (0, 30), (60, 15 * outputs), (step,))
    arena = np.full(end + guard, 7, np.float32)
    program.run(ops.crew(1, False), arena, np.ones(30, np.float32), np.empty(15 * outputs, np.float32), None)
    assert (arena[60:end] == 2).all()
    assert (arena[30:60] == 7).all() and (arena[end:] == 7).all()


@HERE
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_a_network_gives_the_same_bits_with_both_and_any_number_of_threads(
    name, threads, net, weights_dir, monkeypatch
):
    monkeypatch.setenv("RESNET50_ISA", name)
    other = ResNet50(weights_dir, threads=threads)
    assert other.weights.isa is INSTRUCTION_SETS[name]
    image = random(0, 33, 47, 3)
    np.testing.assert_array_equal(other(image), net(image))


def test_a_tile_fills_31_of_the_32_registers():
    conv = Convolution(14, 14, 256, 256, 3, 3, 1, 1)
    assert (most_pixels(conv, AVX512), strip_channels(AVX512)) == (14, 32)
    text = source(conv, AVX512)
    assert "take 31 of 32 registers; 14 + 2 loads serve 28 multiply-adds." in text


@pytest.mark.parametrize("columns", [7, 14, 28, 56, 112])
def test_the_rows_of_a_resnet_leave_no_remainder(columns):
    [width] = {span.tile.pixels for span in spans(Convolution(3, columns, 3, 8, 3, 3, 1, 1), AVX512)}
    assert columns % width == 0


def test_only_the_lanes_of_output_channels_are_stored():
    text = source(Convolution(1, 1, 8, 37, 1, 1, 1, 0), AVX512)
    assert text.count("_mm512_storeu_ps") == 2  # 32 channels
    assert text.count("_mm512_mask_storeu_ps(output, 0x001f, ") == 1  # 5


@EMULATED
def test_without_avx512_a_network_gives_the_same_bits_with_avx2(weights_dir, net, tmp_path):
    image = random(0, 33, 47, 3)
    np.save(tmp_path / "image.npy", image)
    arguments = ["logits", tmp_path / "image.npy", "--weights", weights_dir, "--out", tmp_path / "logits.npy"]
    done = command_line(*arguments, emulated=True)
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), net(image))
