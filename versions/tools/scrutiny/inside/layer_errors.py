"""Measure each convolution of a network alone against float64, in a version's process. It can import only that version.

`python layer_errors.py TESTS WEIGHTS SIZE`, with the folder of the version's tests, which know the bound. Each layer is
given what the version itself computed before it, and the weights as they are after folding; so what is measured is
what the layer adds. The answer, in JSON, is for each: its name, its form (or "direct"), the largest error
relative to the layer's largest number, and the largest share of the bound.
"""

import json
import sys
from pathlib import Path

import numpy as np

tests, weights, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.path[:0] = [str(tests), str(tests / "contract")]

import reference  # noqa: E402
from bound import EPS, tolerance  # noqa: E402
from resnet50 import ResNet50  # noqa: E402
from resnet50.folding import batch_norm_tensors, scale_and_bias  # noqa: E402
from resnet50.network import forward  # noqa: E402
from resnet50.tensor_file import TensorFile  # noqa: E402

TINY = float(np.finfo(np.float32).tiny)  # where the bound is 0, the error must be


class Judge:
    """Walks the network in place of its layers, with what they have computed, and judges each."""

    def __init__(self, tensors, forms, told):
        self.tensors, self.forms, self.told = tensors, forms, told
        self.found = []

    def stem(self, x, conv, norm, relu, name, kernel, stride, padding, pool):
        expected, bound = self.direct(x, *self.folded(conv, norm), stride, padding, 0)
        return self.judge(
            name, None, reference.max_pool(reference.relu(expected), *pool), reference.max_pool(bound, *pool)
        )

    def conv2d(self, x, conv, norm, relu, kernel, stride=1, padding=0, add=None):
        name, (kernels, bias) = relu or norm, self.folded(conv, norm)
        form = self.forms.get(name)
        expected, bound = self.direct(x, kernels, bias, stride, padding, 0 if add is None else add)
        if form:
            bound = tolerance(x, kernels, bias, form)
        return self.judge(name, form, reference.relu(expected) if relu else expected, bound)

    def average_pool(self, x, name):
        return self.told[name]

    def linear(self, x, name):
        kernels, bias = (self.tensors.read(f"{name}.{part}") for part in ("weight", "bias"))
        expected, bound = self.direct(x[None, None], kernels[:, :, None, None], bias, 1, 0, 0)
        return self.judge(name, None, expected[0, 0], bound[0, 0])

    def folded(self, conv, norm):
        """A layer's kernels and bias, float32, as the version has them after folding."""
        scale, bias = scale_and_bias([self.tensors.read(tensor) for tensor in batch_norm_tensors(norm)])
        kernels = self.tensors.read(f"{conv}.weight") * scale[:, None, None, None]
        return kernels.astype(np.float32), bias.astype(np.float32)

    @staticmethod
    def direct(x, kernels, bias, stride, padding, residual):
        """The sums in float64, and the bound of test_ops.py, to which bias and residual are two more summands."""
        size = reference.conv2d(np.abs(x), np.abs(kernels), stride, padding) + np.abs(bias) + np.abs(residual)
        sums = reference.conv2d(x, kernels, stride, padding) + bias + residual
        return sums, (kernels[0].size + 2) * EPS * size

    def judge(self, name, form, expected, bound):
        """Compare what the layer has computed, and return it."""
        error = np.abs(self.told[name] - expected)
        shares = float((error / np.maximum(bound, TINY)).max())
        form = form.name if form else "direct"
        self.found.append((name, form, float(error.max() / np.abs(expected).max()), shares))
        return self.told[name]


net = ResNet50(weights)
image = np.random.RandomState(0).standard_normal((size, size, 3)).astype(np.float32)
outputs: dict[str, np.ndarray] = {}
net.run(image, lambda name, output, seconds: outputs.update({name: output}))
steps = net.plan(size, size).steps
judge = Judge(TensorFile(net.weights.path), {step.name: getattr(step.sizes, "form", None) for step in steps}, outputs)
forward(judge, image)
print(json.dumps(judge.found))
