"""The generated C: tiles that fill the registers and cover everything once, and no more code than is needed."""

import re
from dataclasses import astuple

import numpy as np
import pytest
from resnet50.codegen import source
from resnet50.instruction_sets import INSTRUCTION_SETS
from resnet50.network import planned
from resnet50.packing import pack, packed_size
from resnet50.tiles import WIDE, Convolution, most_pixels, spans, strip_channels, taps

ROWS = list(INSTRUCTION_SETS.values())


def convolution(height, width, channels, outputs, kernel, stride, padding):
    return Convolution(height, width, channels, outputs, kernel, kernel, stride, padding)


@pytest.fixture(scope="module")
def narrow(net):
    """The distinct convolutions of a narrow network for pictures of 224 x 224 pixels, with what is fused with them."""
    steps = planned(net.weights, 224, 224)[0].steps
    return list(dict.fromkeys(step.sizes for step in steps if isinstance(step.sizes, Convolution)))


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_the_c_names_the_instructions_of_its_row_and_no_others(narrow, isa):
    instructions = re.compile(r"\b__?m\w+")  # and register types
    wide = Convolution(1, 1, 8, 64, 1, 1, 1, 0, logits=True)
    used = {word for conv in [*narrow, wide] for word in instructions.findall(source(conv, isa))}
    assert used == {word for template in astuple(isa) for word in instructions.findall(str(template))}


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_tiles_fill_the_registers_and_no_more(isa):
    largest = most_pixels(convolution(1, 14, 3, 8, 1, 1, 0), isa)
    others = len(isa.terms) * (WIDE + 1) + isa.temporaries
    assert largest * WIDE + others <= isa.registers < (largest + 1) * WIDE + others


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
@pytest.mark.parametrize(("channels", "stride"), [(1024, 1), (2048, 1), (2048, 2), (4096, 1)])
def test_lines_of_a_tile_and_the_weights_fit_a_set_of_the_first_level_cache(channels, stride, isa):
    conv = convolution(28, 28, channels, 8, 1, stride, 0)
    pixels = {span.tile.pixels for span in spans(conv, isa)}
    lines = [pixel * stride * channels // 64 % 64 for pixel in range(max(pixels))]
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
    kernels = 1.0 + np.arange(outputs * 5 * 3 * 3, dtype=np.float64).reshape(outputs, 5, 3, 3) % 127
    packed = np.full(packed_size(outputs, 18, isa), np.nan, np.float32)
    sums = pack(kernels, np.ones(outputs), np.ones(outputs, np.float32), packed, isa)
    assert packed.size % isa.lanes == 0
    whole = packed.view(np.int8)
    np.testing.assert_array_equal(np.sort(whole[whole != 0]), np.sort(kernels.ravel()))
    np.testing.assert_array_equal(sums, kernels.sum((1, 2, 3)))
    strip = strip_channels(isa)
    first = whole[: 4 * 18 * min(strip, packed_size(outputs, 1, isa))].reshape(3, 3, 2, -1, 4)
    np.testing.assert_array_equal(first[2, 1, 0, : min(outputs, strip), 3], kernels[:strip, 3, 2, 1])
    np.testing.assert_array_equal(first[2, 1, 1, : min(outputs, strip), 0], kernels[:strip, 4, 2, 1])


def test_a_full_network_needs_about_twenty_shapes(narrow):
    """A narrow network has as many as a full one, since its widths double in the same places."""
    assert 15 < len(narrow) < 30


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_the_c_holds_no_weight_and_no_address(narrow, isa):
    for conv in narrow:
        text = source(conv, isa)
        assert not re.search(
            r"\d\.\d|\d[ef][-+]?\d|0x(?!00ff00ff)[0-9a-f]{5}", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        )
        assert text == source(conv, isa)


def test_the_c_says_which_kernel_columns_its_pixels_read():
    text = source(convolution(56, 56, 64, 64, 3, 1, 1), INSTRUCTION_SETS["avx2"])
    assert re.findall(r"Kernel .*\.", text) == [
        "Kernel column 0, in x for pixels 1 to 3.",
        "Kernel columns 1 to 2, in x for all pixels.",
        "Kernel columns 0 to 1, in x for all pixels.",
        "Kernel column 2, in x for pixels 0 to 2.",
    ]


def test_the_c_says_how_many_registers_its_largest_tile_takes():
    text = source(convolution(56, 56, 64, 64, 3, 1, 1), INSTRUCTION_SETS["avx2"])
    registers = "Its 8 sums,\n * the weights and a pixel's number take 16 of 16 registers; 4 + 2 loads serve"
    assert f"{registers} 32 multiply-adds in each lane." in text


@pytest.mark.parametrize("isa", ROWS, ids=lambda isa: isa.name)
def test_the_c_is_indented_and_its_lines_can_be_read(narrow, isa):
    for conv in narrow:
        depth = 0
        for line in source(conv, isa).splitlines():
            depth -= line.strip() == "}"
            indent = len(line) - len(line.lstrip())
            assert line == line.rstrip()
            assert not line or indent >= 4 * depth
            assert len(line) <= 140
            depth += line.endswith("{")
        assert depth == 0
