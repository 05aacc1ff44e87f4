"""What a layer costs, and the roof of memory that it lies under."""

import numpy as np
import pytest

from ladder.machine import bandwidth
from ladder.machine.bandwidth import Bandwidth
from ladder.timing import cost
from ladder.timing.cost import Work
from shared_weights.architecture import layers


def test_costs_are_those_that_one_works_out_by_hand():
    network = {layer.name: [layer] for layer in layers()}
    conv, norm, pool = network["layer2.0.downsample.0"], network["bn1"], network["maxpool"]
    # 512 kernels of 256 channels at 28 x 28 places; stride 2: of 56 x 56 pixels only 28 x 28 are read
    assert cost.operations(conv) == 2 * 512 * 256 * 28 * 28
    assert cost.moved_bytes(conv) == 4 * (28 * 28 * 256 + 28 * 28 * 512 + 512 * 256)
    assert cost.operations(norm) == 2 * 112 * 112 * 64
    assert cost.moved_bytes(norm) == 4 * (2 * 112 * 112 * 64 + 4 * 64)
    assert cost.operations(pool) == 9 * 56 * 56 * 64
    assert cost.operations(network["avgpool"]) == 7 * 7 * 2048
    assert cost.moved_bytes(network["layer4.2.add"]) == 4 * 3 * 7 * 7 * 2048
    assert cost.moved_bytes(network["layer4.2.conv2"]) == 4 * (2 * 7 * 7 * 512 + 512 * 512 * 9)
    assert cost.limit(7, 5, 1.0, 1e30) == 7  # only the operations count
    assert cost.limit(7, 5, None, 1.0) == cost.limit(7, 5, 1e30, 1.0) == 5
    # all operations are hardly more than those of the convolutions and the linear layer
    counted = sum(map(cost.operations, network.values()))
    assert 1 < counted / sum(2 * layer.multiply_adds for layer in layers()) < 1.01


def test_the_layers_of_a_step_cost_what_is_left_of_them():
    network = layers()
    last = {"maxpool", "avgpool", "fc"} | {
        layer.name for layer in network if layer.name.endswith(("relu1", "relu2", "relu3", "downsample.1"))
    }
    steps = cost.fused(network, last)
    assert steps.keys() == last and sum(map(len, steps.values())) == len(network)
    names = {name: [layer.name for layer in step] for name, step in steps.items()}
    assert names["layer2.0.downsample.1"] == ["layer2.0.downsample.0", "layer2.0.downsample.1"]
    assert names["layer2.0.relu3"] == [f"layer2.0.{name}" for name in ("conv3", "bn3", "add", "relu3")]
    block = steps["layer2.0.relu3"]
    # a multiply-add for each weight, then an addition and a comparison; the output is read before it is written
    assert cost.operations(block) == (2 * 128 + 2) * 28 * 28 * 512 and cost.kind(block) == "conv 1x1"
    assert cost.moved_bytes(block) == 4 * (28 * 28 * 128 + 2 * 28 * 28 * 512 + 128 * 512 + 512)
    stem = steps["maxpool"]
    assert cost.operations(stem) == (2 * 147 + 1) * 112 * 112 * 64 + 9 * 56 * 56 * 64 and cost.kind(stem) == "conv 7x7"
    assert cost.moved_bytes(stem) == 4 * (224 * 224 * 3 + 56 * 56 * 64 + 147 * 64 + 64)
    assert cost.moved_bytes(steps["fc"]) == 4 * (2048 + 1000 + 2048 * 1000 + 1000)


def test_work_that_is_done_in_another_way_replaces_the_convolution_alone():
    conv, norm, relu = layers()[4:7]
    assert (conv.name, relu.name) == ("layer1.0.conv1", "layer1.0.relu1")
    step = [conv, norm, relu]
    assert cost.done(step, None) == cost.operations(step) == (2 * 64 + 1) * 56 * 56 * 64
    assert cost.done(step, Work(operations=1000, bytes=1)) == 1000 + 56 * 56 * 64


@pytest.mark.parametrize("threads", [(1,), (1, 3)])
def test_the_memory_is_measured_by_copying_all_of_it(threads: tuple[int, ...], monkeypatch):
    monkeypatch.setattr(bandwidth, "together", lambda count, copy: [copy() for _ in range(count)] and 0.5)
    memory = Bandwidth(threads, source=np.arange(100, dtype=np.uint8), target=np.zeros(100, np.uint8))
    memory.measure()
    assert (memory.target == memory.source).all()
    assert memory.best() == dict.fromkeys(threads, 400.0)  # 100 bytes read and 100 written in half a second


def test_a_copy_by_several_threads_reaches_a_believable_rate():
    memory = Bandwidth((1, 2))
    memory.measure()
    assert all(1e8 < rate < 1e13 for rate in memory.best().values())
