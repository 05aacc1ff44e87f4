"""Fused steps: what they write, who computes them, their names, and which weights are too large for them.

That their bytes are right is for test_operators.py.
"""

import numpy as np
import pytest
from conftest import random, write_weights
from resnet50 import ResNet50, WeightsError, compiler, ops
from resnet50.instruction_sets import instruction_set
from resnet50.packing import constants_size, packed_size
from resnet50.tiles import Convolution, Pool, ring_size

LARGE = ("conv2.weight", "bn2.weight", "bn2.running_var")


def told(network, image):
    """{layer name: output} as the network tells of them."""
    outputs = {}
    network.run(image, lambda name, output, seconds: outputs.update({name: output}))
    return outputs


@pytest.mark.parametrize("outputs", [1, 7, 16, 31, 33])
@pytest.mark.parametrize("pool", [None, Pool(3, 2, 1)])
def test_nothing_is_written_beside_the_output_and_the_workers_own_scratch_memory(outputs, pool):
    isa = instruction_set()
    conv = Convolution(5, 6, 8, outputs, 3, 3, 1, 1, residual=not pool, relu=True, pool=pool)
    weight = np.ones(packed_size(outputs, conv.kernel_size, isa), np.float32)
    constants = np.zeros(constants_size(outputs, isa), np.float32)
    guard, size, scratch = 64, conv.output_size, ring_size(conv, isa)
    place = 60 + guard + size + guard
    step = ("conv2d", 60 + guard, 0, place, compiler.load([conv], isa)[conv], (weight, constants))
    floats = place + 2 * scratch + guard
    program = ops.Program(floats, (0, 60), (60 + guard, size), (step,), 2)
    arena = np.full(floats, 7, np.float32)
    program.run_step(ops.crew(1, False), arena, 0)
    used = np.zeros(floats, bool)
    used[60 + guard :][:size] = used[place:][:scratch] = True
    assert (arena[~used] == 7).all()


@pytest.mark.parametrize("workers", [1, 2, 4, 7, 33])
def test_the_bits_do_not_depend_on_who_computes_which_rows_of_the_stem(workers, net, weights_dir):
    other = ResNet50(weights_dir, threads=workers)
    for size in ((32, 32), (97, 65)):
        one, another = (told(network, random(3, *size, 3)) for network in (net, other))
        np.testing.assert_array_equal(one["maxpool"], another["maxpool"])


def test_steps_are_told_under_the_names_of_their_last_layers(net):
    names = list(told(net, random(0, 32, 32, 3)))
    block = [f"layer1.0.{layer}" for layer in ("relu1", "relu2", "downsample.1", "relu3")]
    assert names[:6] == ["maxpool", *block, "layer1.1.relu1"]
    assert names[-2:] == ["avgpool", "fc"] and len(names) == 55


@pytest.mark.parametrize("channel", [0, 4])
def test_a_scale_of_weights_that_becomes_too_large_for_float32_by_folding_is_refused(channel, tensors, tmp_path):
    large = {f"layer2.1.{name}": tensors[f"layer2.1.{name}"].copy() for name in LARGE}
    large["layer2.1.bn2.running_var"][channel] = 0
    large["layer2.1.bn2.weight"][channel] = 3e38
    large["layer2.1.conv2.weight"][channel, 0, 0, 0] = 1e3
    folder = write_weights(tmp_path, tensors | large)
    with pytest.raises(WeightsError, match=r"weights.safetensors: layer2\.1\.conv2 .* layer2\.1\.bn2"):
        ResNet50(folder)
