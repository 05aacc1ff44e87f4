"""ResNet-50's architecture: table 1 of He et al., "Deep residual learning for image recognition" (2015).

This is the variant v1.5, as in torchvision: where a stage halves the resolution, the 3x3 convolution of its
first block has the stride, not the 1x1 convolution before it.
"""

from os import PathLike

import numpy as np

from . import ops
from .errors import PictureError, WeightsError
from .image import Preprocessing
from .layers import Layers, OnLayer
from .weight_folder import read_labels, weight_folder
from .weights import Weights, batch_norm_tensors

STAGES = (("layer1", 3, 1), ("layer2", 4, 2), ("layer3", 6, 2), ("layer4", 3, 2))  # name, blocks, stride
SMALLEST, LARGEST = 32, 1024  # pixels: halving 32 five times leaves one


def forward(layer, x):
    """The network as a walk over its layers; `layer` decides what happens at each of them, and what `x` is."""
    x = layer.conv2d(x, "conv1", kernel=7, stride=2, padding=3)
    x = layer.batch_norm(x, "bn1")
    x = layer.relu(x, "relu")
    x = layer.max_pool(x, "maxpool", kernel=3, stride=2, padding=1)
    for stage, blocks, stride in STAGES:
        x = bottleneck(layer, x, f"{stage}.0", stride, downsample=True)
        for block in range(1, blocks):
            x = bottleneck(layer, x, f"{stage}.{block}")
    x = layer.average_pool(x, "avgpool")
    return layer.linear(x, "fc")


def bottleneck(layer, x, name, stride=1, downsample=False):
    """A 1x1 convolution to fewer channels, a 3x3, a 1x1 to four times as many; then the block's input is added."""
    y = layer.conv2d(x, f"{name}.conv1", kernel=1)
    y = layer.batch_norm(y, f"{name}.bn1")
    y = layer.relu(y, f"{name}.relu1")
    y = layer.conv2d(y, f"{name}.conv2", kernel=3, stride=stride, padding=1)
    y = layer.batch_norm(y, f"{name}.bn2")
    y = layer.relu(y, f"{name}.relu2")
    y = layer.conv2d(y, f"{name}.conv3", kernel=1)
    y = layer.batch_norm(y, f"{name}.bn3")
    if downsample:
        x = layer.conv2d(x, f"{name}.downsample.0", kernel=1, stride=stride)
        x = layer.batch_norm(x, f"{name}.downsample.1")
    y = layer.add(y, x, f"{name}.add")
    return layer.relu(y, f"{name}.relu3")


class ResNet50:
    """A ResNet-50 with the weights of one folder.

    `weights_dir` holds `weights.safetensors`, `labels.txt` and `preprocess.json`. The channel counts and the
    number of classes come from the weights.

    Raises `WeightsError` if the folder does not hold a ResNet-50.
    Raises `UnsupportedProcessor` if the operators cannot run here.

    `labels`: the name of each class, in the order of the logits. `preprocess(picture)`: a picture file, or a Pillow
    picture, as the image that the network expects.
    """

    def __init__(self, weights_dir: str | PathLike[str]) -> None:
        ops.require_processor()
        folder = weight_folder(weights_dir)
        self.weights = Weights(folder)
        classes = forward(WeightCheck(self.weights), 3)
        self.weights.require_no_others()
        self.labels = read_labels(folder / "labels.txt", classes)
        self.preprocess = Preprocessing(folder / "preprocess.json")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The logits, float32 (classes,), of `image`: float32 (height, width, 3), normalised, 32 to 1024 pixels.

        Raises what `run` raises.
        """
        return self.run(image)

    def run(self, image: np.ndarray, on_layer: OnLayer | None = None) -> np.ndarray:
        """The same as calling the network; if given, `on_layer(name, output, seconds)` is called after each layer.

        Raises `PictureError` if `image` is not such an array.
        Raises `WeightsError` if a weight cannot be read.
        """
        return np.asarray(forward(Layers(self.weights, on_layer), checked(image)))


def checked(image: np.ndarray) -> np.ndarray:
    """`image`, contiguous and aligned; raises `PictureError` if the network cannot process it."""
    try:
        image = np.asarray(image)
    except ValueError as error:  # a list of rows of different lengths
        raise PictureError(f"the image must be an array: {error}") from error
    if image.dtype != np.float32 or image.ndim != 3 or image.shape[2] != 3:
        raise PictureError(
            f"the image must be float32 of shape (height, width, 3), this one is {image.dtype} {image.shape}"
        )
    if not all(SMALLEST <= size <= LARGEST for size in image.shape[:2]):
        raise PictureError(
            f"the image must have {SMALLEST} to {LARGEST} pixels each way, this one has "
            f"{image.shape[1]} x {image.shape[0]} (width x height)"
        )
    return np.require(image, requirements=["C_CONTIGUOUS", "ALIGNED"])


class WeightCheck:
    """Walks the network with channel counts in place of tensors, to check that each weight exists with its shape."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def conv2d(self, channels, name, kernel, stride=1, padding=0):
        width = self.weights.width(f"{name}.weight")
        self.weights.require(f"{name}.weight", (width, channels, kernel, kernel))
        return width

    def batch_norm(self, channels, name):
        for tensor in batch_norm_tensors(name):
            self.weights.require(tensor, (channels,))
        return channels

    def relu(self, channels, name):
        return channels

    def max_pool(self, channels, name, kernel, stride, padding):
        return channels

    def average_pool(self, channels, name):
        return channels

    def add(self, channels, others, name):
        if channels != others:
            raise WeightsError(f"{self.weights.path}: {name} would add {channels} channels to {others}")
        return channels

    def linear(self, channels, name):
        classes = self.weights.width(f"{name}.weight")
        if classes == 1:  # softmax would call it 100 % certain, whatever the picture
            raise WeightsError(f"{self.weights.path}: has only one class, so there is nothing to choose from")
        self.weights.require(f"{name}.weight", (classes, channels))
        self.weights.require(f"{name}.bias", (classes,))
        return classes
