"""The weights are in memory, checked and aligned, before the first picture."""

import os

import numpy as np
import pytest
from conftest import random, write_weights
from resnet50 import ResNet50, WeightsError
from test_weight_files import open_files


def test_the_file_is_not_read_again(tmp_path, tensors, net):
    image = random(0, 32, 32, 3)
    loaded = ResNet50(write_weights(tmp_path, tensors))
    (tmp_path / "weights.safetensors").unlink()
    np.testing.assert_array_equal(loaded(image), net(image))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list a process's open files")
def test_the_file_is_closed_once_it_has_been_read(tmp_path, tensors):
    loaded = ResNet50(write_weights(tmp_path, tensors))
    assert open_files(tmp_path) == []
    loaded(random(0, 32, 32, 3))


def test_a_bad_value_is_found_before_the_first_picture(tmp_path, tensors):
    damaged = tensors["layer4.2.bn3.bias"].copy()
    damaged[0] = np.nan
    with pytest.raises(WeightsError, match=r"layer4\.2\.bn3\.bias"):
        ResNet50(write_weights(tmp_path, tensors | {"layer4.2.bn3.bias": damaged}))


def test_all_layers_lie_in_one_pool_in_order_each_at_the_start_of_a_cache_line(net):
    layers = net.weights.layers.items()
    parts = [net.weights[name] for layer, norm in layers for name in (f"{layer}.weight", f"{norm or layer}.bias")]
    addresses = [part.ctypes.data for part in parts]
    assert len(addresses) == 2 * 54
    assert all(address % 64 == 0 for address in addresses)
    for address, part, following in zip(addresses, parts, addresses[1:], strict=False):
        assert 0 <= following - (address + part.nbytes) < 64
