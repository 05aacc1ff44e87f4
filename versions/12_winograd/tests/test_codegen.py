"""The generated C: the same bits for every tile, within the rounding bound, and no more code than is needed."""

import re
from dataclasses import astuple, replace

import adapter
import numpy as np
import pytest
import reference
from adapter import run_op
from conftest import EPS, random
from resnet50.codegen import source
from resnet50.instruction_sets import ARM, INSTRUCTION_SETS, instruction_set
from resnet50.network import planned
from resnet50.packing import pack, packed_size
from resnet50.tiles import WIDE, Convolution, most_pixels, spans, strip_channels, taps

# The row of an imaginary processor, in instructions that this one has: short registers, but twice as many, and no
# instruction that stores only some lanes.
OTHER = replace(
    INSTRUCTION_SETS["avx2"],
    name="another",
    lanes=4,
    registers=32,
    vector="__m128",
    load="_mm_loadu_ps({0})",
    load_first="({{ __m128 some = _mm_setzero_ps(); for (int i = 0; {bits:#x} >> i; i++) some[i] = ({0})[i]; some; }})",
    broadcast="_mm_set1_ps({0})",
    multiply_add="_mm_fmadd_ps({0}, {1}, {2})",
    add="_mm_add_ps({0}, {1})",
    relu="_mm_max_ps(_mm_setzero_ps(), {0})",
    larger="_mm_blendv_ps(_mm_max_ps({0}, {1}), {0}, _mm_cmpunord_ps({0}, {0}))",
    store="_mm_storeu_ps({0}, {1});",
    store_first="for (int lane = 0; {bits:#x} >> lane; lane++) ({0})[lane] = {1}[lane];",
    prefetch="__builtin_prefetch((const void *)({0}));",
)
if ARM:  # whose registers are like that: half as many
    OTHER = replace(INSTRUCTION_SETS["neon"], name="another", registers=16)
ROWS = [*INSTRUCTION_SETS.values(), OTHER]

# height, width, channels, outputs, kernel, stride, padding: rows that whole tiles fill and do not fill, edges that
# touch each other, windows wholly outside of the picture, strips that are full, not full, and of a single channel.
SHAPES = [
    (5, 14, 3, 32, 3, 1, 1),
    (3, 29, 5, 37, 3, 1, 1),
    (6, 31, 4, 48, 3, 2, 1),
    (9, 9, 3, 17, 7, 2, 3),
    (4, 30, 2, 65, 1, 1, 0),
    (5, 8, 7, 33, 1, 2, 0),
    (2, 2, 3, 1, 1, 1, 2),
    (1, 1, 40, 100, 1, 1, 0),
]


def convolution(height, width, channels, outputs, kernel, stride, padding):
    return Convolution(height, width, channels, outputs, kernel, kernel, stride, padding)


@pytest.fixture(scope="module")
def narrow(net):
    """The distinct convolutions of a narrow network for pictures of 224 x 224 pixels, with what is fused with them."""
    steps = planned(net.weights, 224, 224)[0].steps
    return list(dict.fromkeys(step.sizes for step in steps if isinstance(step.sizes, Convolution)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_tiles_of_any_row_give_the_same_bits_within_the_rounding_bound(shape, monkeypatch):
    conv = convolution(*shape)
    x = random(0, conv.height, conv.width, conv.channels)
    weight = random(1, conv.outputs, conv.channels, conv.kernel_height, conv.kernel_width)
    sizes = {"stride": conv.stride, "padding": conv.padding}
    outputs = []
    for isa in (instruction_set(), OTHER):
        monkeypatch.setattr(adapter, "instruction_set", lambda isa=isa: isa)
        outputs.append(run_op("conv2d", x, weight, **sizes))
    expected = reference.conv2d(x, weight, **sizes)
    bound = conv.kernel_size * EPS * reference.conv2d(np.abs(x), np.abs(weight), **sizes)
    assert (np.abs(outputs[0] - expected) <= bound).all()
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_the_c_names_the_instructions_of_its_row_and_no_others(narrow, isa):
    instructions = re.compile(r"\b(?:__?m\w+|v\w+_f32|float32\w+)")  # and register types
    used = {word for conv in narrow for word in instructions.findall(source(conv, isa))}
    assert used == {word for template in astuple(isa) for word in instructions.findall(str(template))}


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_tiles_fill_the_registers_and_no_more(isa):
    largest = most_pixels(convolution(1, 14, 3, 8, 1, 1, 0), isa)
    assert largest * WIDE + WIDE + 1 <= isa.registers < (largest + 1) * WIDE + WIDE + 1


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
@pytest.mark.parametrize("columns", [1, 5, 7, 14, 15, 28, 49, 56, 57, 112, 3136])
def test_a_row_is_covered_once_by_tiles_that_are_as_equal_as_can_be(columns, isa):
    conv = convolution(1, columns, 3, 8, 1, 1, 0)
    tiled = [pixel for span in spans(conv, isa) for pixel in range(span.column, span.end)]
    widths = {span.tile.pixels for span in spans(conv, isa)}
    assert tiled == list(range(columns))
    assert max(widths) <= most_pixels(conv, isa)
    assert max(widths) - min(widths) <= 1


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
@pytest.mark.parametrize(("channels", "stride"), [(1024, 1), (2048, 1), (512, 2), (3072, 1)])
def test_lines_of_a_tile_and_the_weights_fit_a_set_of_the_first_level_cache(channels, stride, isa):
    conv = convolution(28, 28, channels, 8, 1, stride, 0)
    pixels = {span.tile.pixels for span in spans(conv, isa)}
    lines = [pixel * stride * channels * 4 // 64 % 64 for pixel in range(max(pixels))]
    assert max(map(lines.count, lines)) < 8


@pytest.mark.parametrize(
    "shape", [(1, 9, 1, 1, 3, 1, 1), (1, 9, 1, 1, 7, 2, 3), (1, 3, 1, 1, 3, 1, 2), (1, 2, 1, 1, 1, 1, 2)]
)
@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_a_tile_reads_only_pixels_of_the_picture(shape, pixels):
    conv = convolution(*shape)
    for column in range(conv.columns - pixels + 1):
        read = {(j, p) for each in taps(conv, column, pixels) for j in range(each.column, each.end)
                for p in range(each.first, each.last)}  # fmt: skip
        inside = {(j, p) for j in range(conv.kernel_width) for p in range(pixels)
                  if 0 <= (column + p) * conv.stride - conv.padding + j < conv.width}  # fmt: skip
        assert read == inside


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
@pytest.mark.parametrize("outputs", [1, 8, 16, 17, 32, 33, 100])
def test_packing_puts_each_weight_in_one_place_and_zeros_elsewhere(outputs, isa):
    kernels = 1 + np.arange(outputs * 2 * 3 * 3, dtype=np.float32).reshape(outputs, 2, 3, 3)
    packed = np.full(packed_size(outputs, 18, isa), np.nan, np.float32)
    pack(kernels, np.ones(outputs), packed, isa)
    assert packed.size % isa.lanes == 0
    np.testing.assert_array_equal(np.sort(packed[packed != 0]), kernels.ravel())
    strip = strip_channels(isa)
    first = packed[: 18 * min(strip, packed_size(outputs, 1, isa))].reshape(3, 3, 2, -1)
    np.testing.assert_array_equal(first[2, 1, 1, : min(outputs, strip)], kernels[:strip, 1, 2, 1])


def test_a_full_network_needs_about_twenty_shapes(narrow):
    """A narrow network has as many as a full one, since its widths double in the same places."""
    assert 15 < len(narrow) < 30


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_the_c_holds_no_weight_and_no_address(narrow, isa):
    for conv in narrow:
        text = source(conv, isa)
        assert not re.search(r"\d\.\d|\d[ef][-+]?\d|0x[0-9a-f]{5}", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
        assert text == source(conv, isa)


def test_the_c_says_which_kernel_columns_its_pixels_read():
    text = source(convolution(56, 56, 64, 64, 3, 1, 1), INSTRUCTION_SETS["avx2"])
    assert re.findall(r"Kernel .*\.", text) == [
        "Kernel column 0, in x for pixels 1 to 5.",
        "Kernel columns 1 to 2, in x for all pixels.",
        "Kernel columns 0 to 1, in x for all pixels.",
        "Kernel column 2, in x for pixels 0 to 3.",
    ]


def test_the_c_says_how_many_registers_its_largest_tile_takes():
    text = source(convolution(56, 56, 64, 64, 3, 1, 1), INSTRUCTION_SETS["avx2"])
    taken = "2 registers of weights and a pixel's number take 15 of 16 registers; 6 + 2 loads serve 12 multiply-adds."
    assert f"Its 12 sums,\n * {taken}" in text


def test_the_c_is_indented_and_its_lines_can_be_read(narrow):
    for conv in narrow:
        depth = 0
        for line in source(conv, ROWS[0]).splitlines():
            depth -= line.strip() == "}"
            indent = len(line) - len(line.lstrip())
            assert line == line.rstrip()
            assert not line or indent >= 4 * depth
            assert len(line) <= 140
            depth += line.endswith("{")
        assert depth == 0
