"""The network in float64 NumPy, written to be plainly correct: the reference for the version under test.

Activations are (height, width, channels); kernels are (O, I, H, W), as in the weight file.
"""

import numpy as np

BLOCKS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}


def windows(size, kernel, stride):
    """For each offset in the kernel, the slice of a padded axis of `size` elements that it touches."""
    last = (size - kernel) // stride * stride
    return [slice(offset, offset + last + 1, stride) for offset in range(kernel)]


def pad(x, padding, value):
    return np.pad(x.astype(np.float64), ((padding, padding), (padding, padding), (0, 0)), constant_values=value)


def conv2d(x, weight, stride, padding):
    padded = pad(x, padding, 0.0)
    total = 0.0
    for i, rows in enumerate(windows(padded.shape[0], weight.shape[2], stride)):
        for j, columns in enumerate(windows(padded.shape[1], weight.shape[3], stride)):
            total = total + padded[rows, columns] @ weight[:, :, i, j].T.astype(np.float64)
    return total


def batch_norm(x, weight, bias, mean, variance):
    x, weight, bias, mean, variance = (np.asarray(each, np.float64) for each in (x, weight, bias, mean, variance))
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def relu(x):
    return np.maximum(x.astype(np.float64), 0.0)


def max_pool(x, kernel, stride, padding):
    padded = pad(x, padding, -np.inf)
    vertical, horizontal = windows(padded.shape[0], kernel, stride), windows(padded.shape[1], kernel, stride)
    return np.max([padded[rows, columns] for rows in vertical for columns in horizontal], axis=0)


def average_pool(x):
    return x.astype(np.float64).mean(axis=(0, 1))


def linear(x, weight, bias):
    return weight.astype(np.float64) @ x.astype(np.float64) + bias


def add(x, y):
    return x.astype(np.float64) + y


def network(tensors, image):
    """{layer name: float64 output} of every layer in order; `tensors` has torchvision's names."""
    outputs = {}

    def conv(x, name, stride=1, padding=0):
        outputs[name] = conv2d(x, tensors[f"{name}.weight"], stride, padding)
        return outputs[name]

    def norm(x, name):
        parts = ("weight", "bias", "running_mean", "running_var")
        outputs[name] = batch_norm(x, *(tensors[f"{name}.{part}"] for part in parts))
        return outputs[name]

    def keep(name, output):
        outputs[name] = output
        return output

    x = keep("relu", relu(norm(conv(image, "conv1", 2, 3), "bn1")))
    x = keep("maxpool", max_pool(x, 3, 2, 1))
    for stage, blocks in BLOCKS.items():
        for block in range(blocks):
            name, stride = f"{stage}.{block}", 2 if block == 0 and stage != "layer1" else 1
            y = keep(f"{name}.relu1", relu(norm(conv(x, f"{name}.conv1"), f"{name}.bn1")))
            y = keep(f"{name}.relu2", relu(norm(conv(y, f"{name}.conv2", stride, 1), f"{name}.bn2")))
            y = norm(conv(y, f"{name}.conv3"), f"{name}.bn3")
            if block == 0:
                x = norm(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            y = keep(f"{name}.add", add(y, x))
            x = keep(f"{name}.relu3", relu(y))
    x = keep("avgpool", average_pool(x))
    keep("fc", linear(x, tensors["fc.weight"], tensors["fc.bias"]))
    return outputs
