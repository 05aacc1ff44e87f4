"""A real process of a real version: what comes back, and how it ends."""

import os
import signal

import numpy as np
import psutil
import pytest

from ladder.core.errors import WorkerError
from ladder.core.versions import ROOT, discover, find
from scrutiny import networks
from scrutiny.networks import Size
from scrutiny.process import Process

SIZE = Size(2, 7, 32, 32)


@pytest.fixture(scope="module")
def process():
    with Process(find(discover(ROOT), "03")) as process:
        yield process


@pytest.fixture
def weights(tmp_path):
    return networks.write(tmp_path / "weights", networks.random_tensors(SIZE, 0))


def test_a_version_answers_with_its_logits(process, weights):
    image = networks.random_image(SIZE, 0)
    one, two = process.infer(weights, [image, image])
    expected = networks.reference(ROOT).network(networks.random_tensors(SIZE, 0), image)["fc"]
    assert one.dtype == np.float32 and np.abs(one - expected).max() < 2e-5 * np.abs(expected).max()
    np.testing.assert_array_equal(one, two)


def test_what_a_version_refuses_is_an_error_in_one_line(tmp_path):
    with Process(find(discover(ROOT), "03")) as process, pytest.raises(WorkerError) as error:
        process.infer(tmp_path / "none", [])
    assert "no such weight folder" in str(error.value) and "\n" not in str(error.value)


def test_a_process_that_was_killed_is_an_error():
    with Process(find(discover(ROOT), "03")) as process:
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match="03_naive_c ended during the request process"):
            process.ask("process")


def test_the_process_ends_with_the_statement():
    with Process(find(discover(ROOT), "03")) as process:
        assert psutil.pid_exists(process.pid)
    assert not psutil.pid_exists(process.pid)
