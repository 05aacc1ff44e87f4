"""A profile's figures: rows from what a version told, and their sums."""

from dataclasses import replace

import pytest

from ladder.core.errors import WorkerError
from ladder.layers.layer_times import add_up, fastest_tenth, summarise
from ladder.layers.layer_worker import LayerTime
from ladder.timing import cost
from ladder.timing.contestants import Contestant
from shared_weights.architecture import layers

ENTRY = Contestant("07_seven", "an idea", None)
PEAK, MEMORY = 1e12, 1e10  # operations and bytes in a second


def test_layers_that_change_between_inferences_are_refused():
    network = layers(32, 32)
    first = [LayerTime(layer.name, layer.output, 1.0) for layer in network[:2]]
    with pytest.raises(WorkerError, match="different layers in different inferences"):
        summarise(ENTRY, network, {}, [1.0, 1.0], [first, first[:1]], PEAK, MEMORY)


def test_a_row_is_the_mean_of_the_fastest_tenth():
    network = layers(32, 32)[:1]
    times = [9.0] * 9 + [1.0, 4.5] + [9.0] * 9 + [2.0]
    runs = [[LayerTime("conv1", network[0].output, seconds)] for seconds in times]
    found = summarise(ENTRY, network, {}, [30.0, 10.0], runs, PEAK, MEMORY)
    assert found.rows[0].seconds == 2.5  # of 1, 2, 4.5
    assert found.whole_seconds == 10.0 and found.apart == 3.0
    assert fastest_tenth([2.0], float) == [2.0] and fastest_tenth([4, 1, 3, 2, 0] * 4, float) == [0, 0]


def test_of_8_bit_integers_a_quarter_of_the_bytes_is_moved():
    network = layers(32, 32)[:1]
    run = [LayerTime("conv1", network[0].output, 1.0)]
    floats, integers = (summarise(one, network, {}, [1.0], [run], PEAK, MEMORY)
                        for one in (ENTRY, replace(ENTRY, int8=True)))  # fmt: skip
    assert integers.int8 and not floats.int8
    assert integers.rows[0].bytes * 4 == floats.rows[0].bytes


def test_sums_add_seconds_operations_bytes_and_limits():
    network = layers(32, 32)[:3]
    run = [LayerTime(layer.name, layer.output, seconds) for layer, seconds in zip(network, (1.0, 2.0, 4.0))]
    rows = summarise(ENTRY, network, {}, [7.0], [run], PEAK, MEMORY).rows
    total = add_up("all", rows)
    steps = [[layer] for layer in network]
    assert (total.seconds, total.operations) == (7.0, sum(map(cost.operations, steps)))
    assert total.bytes == sum(map(cost.moved_bytes, steps)) and total.limit == sum(row.limit for row in rows)
