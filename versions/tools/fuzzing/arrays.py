"""Arrays in files: `.npy`, which the command line accepts in place of a picture, and MNIST's IDX."""

import gzip
import io
import struct
import zipfile
from functools import cache

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fuzzing.mutation import damage, damaged, whole_numbers

HEADERS = [  # a .npy file's header, a Python literal
    "{'descr': '<f4', 'fortran_order': %s, 'shape': (%d, %d, 3)}",
    "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d)}",
    "{'descr': [('x', '<f4', (%s, %d))], 'fortran_order': False, 'shape': (%d,)}",
]


@cache
def npy_seeds() -> list[bytes]:
    """Correct and nearly correct arrays of 32 x 32 pixels, and an archive with one."""
    image = np.random.RandomState(0).standard_normal((32, 32, 3)).astype(np.float32)
    variants = [image, image.astype(">f4"), np.asfortranarray(image), image.astype(np.float64), image[:, :, :1]]
    files = [io.BytesIO() for _ in variants]
    for file, variant in zip(files, variants):
        np.save(file, variant)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("arr_0.npy", files[0].getvalue())
    return [file.getvalue() for file in files] + [archive.getvalue()]


@st.composite
def npy_headers(draw: DrawFn) -> bytes:
    """Arrays of any size and type that a header can claim, followed by a few numbers."""
    first = draw(st.sampled_from(["True", "False", "<f4", "O", "<U9999999", "V", "<f4,<f4", "m8[7s]"]))
    header = draw(st.sampled_from(HEADERS)) % (first, draw(whole_numbers()), draw(whole_numbers()))
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(draw(st.integers(0, 5000)))


def npy() -> SearchStrategy[bytes]:
    """Contents of .npy files, most of them damaged."""
    return damaged(npy_seeds) | npy_headers()


@st.composite
def idx(draw: DrawFn) -> bytes:
    """A pair of IDX files, labels and images; the first is preceded by its length in 4 bytes. Each may be compressed.

    Training needs at least 12 digits.
    """
    count = draw(st.integers(11, 14))
    images = struct.pack(">4I", 0x803, count, 28, 28) + bytes(784 * count)
    labels = struct.pack(">2I", 0x801, count) + bytes([*range(10), *draw(st.lists(st.integers(0, 10), min_size=4))])
    if draw(st.booleans()):  # wrong numbers in the header
        place, number = 4 * draw(st.integers(0, 3)), draw(whole_numbers()) % 2**32
        images = images[:place] + struct.pack(">I", number) + images[place + 4 :]
    pair = [labels[: 8 + count], images]
    for index, file in enumerate(pair):
        packed = gzip.compress(file, mtime=0) if draw(st.booleans()) else file
        pair[index] = damage(draw, packed) if draw(st.booleans()) else packed
    return struct.pack(">I", len(pair[0])) + pair[0] + pair[1]
