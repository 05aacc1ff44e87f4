"""What the generated C asks for ahead of time: all that comes next and nothing else; and that it changes no result."""

import ctypes
import os
import re
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from adapter import prepare
from conftest import random
from resnet50.codegen import source
from resnet50.compiler import Compiler
from resnet50.instruction_sets import INSTRUCTION_SETS, runnable
from resnet50.memory import CACHE_LINE, LINE, aligned
from resnet50.network import planned
from resnet50.packing import packed_size
from resnet50.prefetch import ENOUGH, SPREAD, prefetches, step
from resnet50.rounding import round_up
from resnet50.tiles import Convolution, Pool, bands, strip_channels

# height, width, channels, outputs, kernel height and width, stride, padding
STRIPS_OUTER = [
    (4, 5, 12, 70, 1, 1, 1, 0),  # 2 bands with AVX-512, and 4 with AVX2; the last strip is not full
    (7, 7, 24, 128, 1, 1, 1, 0),
    (6, 6, 8, 96, 3, 3, 1, 1),
    (8, 8, 16, 96, 3, 3, 2, 1),
]
BANDS_OUTER = [
    (9, 16, 24, 40, 1, 1, 1, 0),
    (15, 15, 40, 20, 1, 1, 1, 0),  # tiles that differ in width
    (20, 9, 6, 10, 3, 3, 1, 1),
    (12, 14, 10, 40, 1, 1, 2, 0),
]

# In place of the instruction, a function that notes the address.
NOTED = "{{ extern void note(intptr_t); note({0}); }}"
NOTE = """
EXPORTED intptr_t places[1 << 20];
EXPORTED ptrdiff_t count;
extern void note(intptr_t place);
void note(intptr_t place) { places[count++] = place; }
"""


class Watched:
    """A convolution of random numbers with one instruction set, whose parts tell what they ask for."""

    def __init__(self, shape, isa, folder):
        self.conv = Convolution(*shape)
        prepare()
        Compiler(isa).compile(source(self.conv, replace(isa, prefetch=NOTED)) + NOTE, folder / "watched.so")
        Compiler(isa).compile(source(self.conv, replace(isa, prefetch=";")), folder / "silent.so")
        self.library, self.silent = (ctypes.CDLL(str(folder / name)) for name in ("watched.so", "silent.so"))
        self.count = ctypes.c_ssize_t.in_dll(self.library, "count")
        self.places = (ctypes.c_size_t * (1 << 20)).in_dll(self.library, "places")
        x = self.conv.height * self.conv.width * self.conv.channels
        weight, bias = (packed_size(self.conv.outputs, size, isa) for size in (self.conv.kernel_size, 1))
        sizes = (self.conv.output_size, x, weight, bias)
        # In one block, the output first: what is asked for behind the other arrays does not lie in it.
        ends = np.cumsum([round_up(size, LINE) for size in sizes])
        parts = np.split(aligned(ends[-1]), ends[:-1])
        self.output, self.x, self.weight, self.bias = (part[:size] for part, size in zip(parts, sizes, strict=True))
        for seed, array in enumerate((self.x, self.weight, self.bias)):
            array[:] = random(seed, len(array))
        self.strips = -(-self.conv.outputs // strip_channels(isa))
        self.bands = bands(self.conv, isa)

    def run(self, library, part):
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (self.output, self.x, self.weight, self.bias))
        library.conv2d(*pointers, None, ctypes.c_ssize_t(part), ctypes.c_ssize_t(part + 1))

    def asked(self, strip, band, array):
        """Where in `array` a part asks, in bytes, in the order in which it does."""
        part = band * self.strips + strip if self.conv.bands_outer else strip * self.bands + band
        self.count.value = 0
        self.run(self.library, part)
        return np.array(self.places[: self.count.value]) - array.ctypes.data


@pytest.fixture(params=INSTRUCTION_SETS.values(), ids=lambda isa: isa.name)
def isa(request):
    if request.param not in map(INSTRUCTION_SETS.get, runnable()):
        pytest.skip(f"this processor lacks {request.param.name}")
    return request.param


def lines(places):
    """The cache lines in which these bytes lie."""
    return set((places // CACHE_LINE).tolist())


@pytest.mark.parametrize("shape", STRIPS_OUTER, ids=str)
def test_a_strip_asks_for_all_weights_of_the_next_one_and_for_nothing_else(shape, isa, tmp_path):
    watched = Watched(shape, isa, tmp_path)
    conv = watched.conv
    size = strip_channels(isa) * conv.kernel_size * 4
    spread, byte = min(SPREAD, watched.bands), step(conv, isa)
    for strip in range(watched.strips):
        parts = [watched.asked(strip, band, watched.weight) for band in range(watched.bands)]
        following = np.concatenate(parts[:spread]) - (strip + 1) * size
        assert following.min() >= 0 and following.max() < spread * byte * conv.kernel_size < size + spread * 64
        wanted = lines(np.arange(0, size, 4))
        if conv.pointwise:
            assert lines(following) >= wanted
        else:  # at the upper edge a row of the kernel is left out, and what it would have asked for
            assert len(lines(following) & wanted) >= len(wanted) * (1 - 1 / (spread * conv.kernel_height)) - 2
        for part in parts[spread:]:  # these ask for what they read anyway
            assert strip * size <= part.min() and part.max() < (strip + 1) * size
    assert byte <= CACHE_LINE


@pytest.mark.parametrize("shape", BANDS_OUTER, ids=str)
def test_a_band_asks_for_what_the_next_one_reads_of_x(shape, isa, tmp_path):
    watched = Watched(shape, isa, tmp_path)
    conv = watched.conv
    pixel, row = conv.channels * 4, conv.width * conv.channels * 4
    for band in range(watched.bands - 1):
        asked = np.concatenate([watched.asked(strip, band, watched.x) for strip in range(watched.strips)])
        if conv.pointwise:
            first, end = ((band + i) * conv.columns // watched.bands * pixel for i in (1, 2))
        else:
            top = band * conv.stride - conv.padding  # the first row that the kernel touches
            first = max(top + conv.kernel_height, top + conv.stride) * row
            end = (top + conv.stride + conv.kernel_height) * row
        assert first <= asked.min() and asked.max() < end + watched.strips * conv.kernel_size * 4
        if band > 0 or conv.kernel_height == 1:  # else what a row of the kernel would ask for, left out at the edge
            assert asked.min() == first
            assert lines(asked) >= lines(np.arange(first, end - CACHE_LINE, 4))  # of the last line at least a part


@pytest.mark.parametrize("shape", [(7, 7, 24, 80, 1, 1, 1, 0), (9, 16, 8, 30, 1, 1, 1, 0)], ids=str)
def test_a_residual_is_asked_for_once_and_before_anything_else(shape, isa, tmp_path):
    watched = Watched((*shape, True), isa, tmp_path)
    asked = [watched.asked(*part, watched.output) for part in np.ndindex(watched.strips, watched.bands)]
    inside = [part[(part >= 0) & (part < watched.output.nbytes)] for part in asked]
    assert all(np.array_equal(places, part[: len(places)]) for places, part in zip(inside, asked, strict=True))
    places = np.concatenate(inside)
    assert len(set(places.tolist())) == len(places) and not (places % 4).any()
    assert lines(places) >= lines(np.arange(0, watched.output.nbytes - CACHE_LINE, 4))


@pytest.mark.parametrize("shape", STRIPS_OUTER + BANDS_OUTER, ids=str)
def test_asking_changes_no_bit_of_the_result(shape, isa, tmp_path):
    watched = Watched(shape, isa, tmp_path)
    results = []
    for library in (watched.library, watched.silent):
        watched.output[:] = np.nan
        for part in range(watched.strips * watched.bands):
            watched.count.value = 0
            watched.run(library, part)
        results.append(watched.output.copy())
    np.testing.assert_array_equal(*results)
    assert not np.isnan(results[0]).any()


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=lambda isa: isa.name)
def test_every_innermost_loop_asks_once_in_an_iteration_by_numbers_and_not_by_pointers(net, isa):
    """A pointer behind an array would be undefined already, even if nothing is read from it."""
    steps = planned(net.weights, 224, 224)[0].steps
    found = {step.sizes for step in steps if isinstance(step.sizes, Convolution)}
    for conv in filter(prefetches, found):
        text = source(conv, isa)
        loops = re.findall(r"for \(ptrdiff_t k = .*\n(.*)\n", text)
        residuals = text.count("__builtin_prefetch((const void *)((intptr_t)output")
        assert loops and text.count("__builtin_prefetch") == len(loops) + residuals and bool(residuals) == conv.residual
        for line in loops:
            assert re.fullmatch(r" *__builtin_prefetch\(\(const void \*\)\(next \+ k \* \d+\), 0, 2\);", line)
        assert text.count("next = ahead") == text.count("const intptr_t next = ahead") == len(loops)


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    ("conv", "asks"),
    [
        (Convolution(1, ENOUGH, 64, 64, 1, 1, 1, 0), True),
        (Convolution(1, ENOUGH - 1, 64, 64, 1, 1, 1, 0), False),
        (Convolution(2, 2, 64, 64, 3, 3, 1, 1), False),
        (Convolution(1, 1, 64, 64, 1, 1, 1, 0), False),
        (Convolution(32, 32, 3, 64, 7, 7, 2, 3, pool=Pool(3, 2, 1)), False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_outputs_of_few_pixels_and_the_stem_ask_for_nothing(conv, asks, isa):
    text = source(conv, isa)
    assert ("__builtin_prefetch" in text) == ("ahead" in text) == asks


def test_half_a_cache_line_is_asked_for_with_avx512_where_there_are_enough_bands():
    conv = Convolution(14, 14, 256, 256, 3, 3, 1, 1)
    assert step(conv, INSTRUCTION_SETS["avx512"]) == 32 and step(conv, INSTRUCTION_SETS["avx2"]) == 16


def test_no_more_than_a_cache_line_is_asked_for_in_an_iteration():
    conv = Convolution(3, 3, 512, 512, 1, 1, 1, 0)
    assert bands(conv, INSTRUCTION_SETS["avx512"]) == 1  # in which a strip of 32 channels would take two
    assert step(conv, INSTRUCTION_SETS["avx512"]) == CACHE_LINE


def test_weights_lie_in_the_order_in_which_the_steps_read_them(net, monkeypatch):
    """So what follows the last strip of a layer are the weights of the next one, behind the bias."""
    monkeypatch.setattr("resnet50.plan.choose", lambda conv, isa: 0)  # kernels in Winograd's forms lie elsewhere
    read = [step.weights for step in planned(net.weights, 224, 224)[0].steps if step.weights]
    assert len(read) == 54
    for (kernels, bias), (following, _) in pairwise(read):
        for array, end in ((kernels, bias.ctypes.data), (bias, following.ctypes.data)):
            assert 0 <= end - array.ctypes.data - array.nbytes < CACHE_LINE


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of a process's memory")
@pytest.mark.skipif(os.environ.get("NUMPY_MADVISE_HUGEPAGE") == "0", reason="NumPy is told not to ask for huge pages")
def test_the_system_is_asked_for_huge_pages():
    """NumPy does that for arrays of 4 MB and more: the weights, and the arenas of large pictures."""
    smaps = Path("/proc/self/smaps")
    memory = aligned(2**22)
    middle = memory.ctypes.data + memory.nbytes // 2
    if "VmFlags" not in smaps.read_text() or not Path("/sys/kernel/mm/transparent_hugepage").exists():
        pytest.skip("this system has no huge pages, or does not say which memory may have them")
    flags = ""
    for line in smaps.read_text().splitlines():
        if area := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(area[1], 16) <= middle < int(area[2], 16)
        elif line.startswith("VmFlags") and inside:
            flags = line
    assert " hg" in flags
