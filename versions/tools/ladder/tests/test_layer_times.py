"""A profile's figures: what a version tells, rows made of it, and their sums."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ladder.core.errors import WorkerError
from ladder.inside import program
from ladder.layers.layer_times import add_up, fastest_tenth, summarise
from ladder.layers.layer_worker import LayerTime
from ladder.timing import cost
from ladder.timing.contestants import Contestant
from shared_weights.architecture import layers

ENTRY = Contestant("07_seven", "an idea", None)
PEAK, MEMORY = 1e12, 1e10  # operations and bytes in a second

# A version whose first layer reads a weight for each picture, which takes 2 seconds of its clock.
READER = """
import time
now = 0.0
time.perf_counter = lambda: now
class Weights:
    def __getitem__(self, name):
        global now
        now += 2.0
        return name
class Output:
    shape = (1,)
class Logits:
    def tolist(self):
        return []
class ResNet50:
    def __init__(self, weights):
        self.weights = Weights()
    def run(self, image, on_layer=lambda *told: None):
        on_layer(self.weights["conv1"], Output(), 3.0)
        on_layer("bn1", Output(), 1.0)
        return Logits()
"""


def test_a_layer_tells_how_long_it_read_weights_in_this_inference_alone(tmp_path: Path):
    (tmp_path / "resnet50.py").write_text(READER)
    done = subprocess.run(
        [sys.executable, program("time_layers"), "weights", "32"],
        input="\nlayers\n",
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    _, whole, told = map(json.loads, done.stdout.splitlines())
    assert whole["seconds"] == told["seconds"] == 2.0
    assert told["layers"] == [["conv1", [1], 3.0, 2.0], ["bn1", [1], 1.0, 0.0]]


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
