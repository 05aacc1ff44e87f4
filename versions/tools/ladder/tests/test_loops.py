"""Innermost loops of small graphs: node -> what may come next."""

import pytest

from ladder.assembly.loops import innermost


@pytest.mark.parametrize(
    ("successors", "loops"),
    [
        ([[1], []], []),
        ([[1], [1, 2], []], [[1]]),
        ([[1], [2], [3], [1, 4], []], [[1, 2, 3]]),
        ([[1], [2], [2, 3], [1, 4], []], [[2]]),  # a loop in a loop
        ([[1], [1, 2], [3], [3, 4], []], [[1], [3]]),  # one after another
        ([[1], [2, 3], [1, 4], [1], []], [[1, 2, 3]]),  # two ways back to the same place are one loop
        ([[2], [2, 4], [3], [1, 1], []], [[1, 2, 3]]),  # entered at 2, which a `continue` at 3 reaches through 1
        ([[1, 3], [2], [], [1]], []),  # a jump backwards that repeats nothing
    ],
)  # fmt: skip
def test_innermost_loops(successors: list[list[int]], loops: list[list[int]]):
    assert innermost(successors) == loops


def test_what_only_a_table_of_jumps_reaches_is_looked_at_too():
    assert innermost([[], [2], [2, 3], []]) == [[2]]


def test_padding_is_no_way_into_a_loop():
    """Node 1 fills space; it falls into 2, which is reached from within the loop 2 to 4 alone, entered at 3."""
    successors = [[3], [2], [3], [2, 4], [5, 3], []]
    assert innermost(successors, lambda node: node == 1) == [[2, 3, 4]]
