"""The connected components (pieces) of a mask, and which are the digit: not a line, a frame, a shadow, dirt."""

import numpy as np

from mnist.layers import Array

TALL = 0.1  # of the picture's longer side: the least height of a piece that may be a digit
FRAMED = 0.4  # of a frame's height: the least height of the digit in it
SPECK = 0.1  # of the largest piece of ink: anything smaller is dirt


def digit_in(labels: Array) -> Array:
    """The digit among pieces of ink, int (H, W), 0 for paper, without anything beside it: bool (H, W).

    Lines, frames and shadows are pieces that touch the picture's edge or enclose another piece. They are dropped only
    if that leaves a piece of some height: a digit that was cropped tightly touches the edge as well.
    """
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0  # the paper
    tops, bottoms, lefts, rights = boxes(labels)
    heights = bottoms - tops
    height, width = labels.shape
    inside = (tops > 0) & (bottoms < height) & (lefts > 0) & (rights < width)
    tall = inside & (heights >= TALL * max(height, width)) & (sizes > 0)
    for piece in np.nonzero(tall)[0]:  # does it enclose one that is not much smaller?
        within = (tops > tops[piece]) & (bottoms < bottoms[piece]) & (lefts > lefts[piece]) & (rights < rights[piece])
        tall[piece] = inside[piece] = not (tall & within & (heights >= FRAMED * heights[piece])).any()
    if tall.any():
        sizes[~inside] = 0
    return (sizes >= SPECK * sizes.max())[labels] & (labels > 0)


def count_digits(found: Array) -> int:
    """How many digits find_digit has `found`, bool (h, w): pieces at least half as tall as the tallest one, their
    bounding boxes apart from each other (the two pieces of a broken digit mostly overlap)."""
    labels = pieces(found)
    tops, bottoms, lefts, rights = boxes(labels)
    heights = bottoms - tops
    count = np.zeros(0, int)
    for piece in np.nonzero(heights >= heights.max() / 2)[0]:
        across = (lefts[count] < rights[piece]) & (lefts[piece] < rights[count])
        down = (tops[count] < bottoms[piece]) & (tops[piece] < bottoms[count])
        if not (across & down).any():
            count = np.append(count, piece)
    return len(count)


def pieces(mask: Array) -> Array:
    """Number the connected pieces (8 neighbours) of a mask, bool (H, W): int (H, W), 0 outside the mask.

    By runs: a run of mask pixels in a row is one piece with every run of the row above that it touches. `parent` leads
    from a run to an earlier one of its piece (union-find, Rosenfeld and Pfaltz 1966).
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parent = list(range(len(rows)))

    def first_run(run: int) -> int:
        while parent[run] != run:
            parent[run] = run = parent[parent[run]]
        return run

    above = 0
    for run, (row, start, end) in enumerate(zip(rows.tolist(), starts.tolist(), ends.tolist())):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < start):
            above += 1
        other = above
        while other < run and rows[other] == row - 1 and starts[other] <= end:
            first, second = sorted((first_run(run), first_run(other)))
            parent[second] = first
            other += 1
    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = np.repeat([first_run(run) + 1 for run in range(len(rows))], ends - starts)
    return labels


def boxes(labels: Array) -> tuple[Array, Array, Array, Array]:
    """The bounding box of each piece of int (H, W): first row, row after the last, first column, column after the last,
    each int (largest label + 1,)."""
    result = []
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns]
    for places, length in ((rows, labels.shape[0]), (columns, labels.shape[1])):
        first, last = np.full(labels.max() + 1, length), np.zeros(labels.max() + 1, int)
        np.minimum.at(first, which, places)
        np.maximum.at(last, which, places + 1)
        result += [first, last]
    return result[0], result[1], result[2], result[3]


def bounding_box(mask: Array) -> tuple[int, int, int, int]:
    """First row, row after the last, first column, column after the last of a mask, bool (H, W)."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
