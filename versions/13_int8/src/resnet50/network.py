"""ResNet-50's architecture: table 1 of He et al., "Deep residual learning for image recognition" (2015).

This is the variant v1.5, as in torchvision: where a stage halves the resolution, the 3x3 convolution of its
first block has the stride, not the 1x1 convolution before it.
"""

from functools import lru_cache, partial
from os import PathLike

import numpy as np

from . import ops
from .errors import PictureError, WeightsError
from .folding import batch_norm_tensors
from .image import Preprocessing
from .instruction_sets import instruction_set
from .plan import OnLayer, Plan, Planner, Value
from .quantisation import read_scales
from .threads import make_crew
from .weight_folder import read_labels, weight_folder
from .weights import Weights

STAGES = (("layer1", 3, 1), ("layer2", 4, 2), ("layer3", 6, 2), ("layer4", 3, 2))  # name, blocks, stride
SMALLEST, LARGEST = 32, 1024  # pixels: halving 32 five times leaves one
PLANS = 4  # input sizes whose plans are kept; an arena takes 1.3 MB at 224 x 224 pixels and 27 MB at 1024 x 1024


def forward(layer, x):
    """The network as a walk over its layers; `layer` decides what happens at each of them, and what `x` is.

    Layers that are done in one step stand in one call; `on_layer` is told of the last of them.
    """
    x = layer.stem(x, "conv1", "bn1", "relu", "maxpool", kernel=7, stride=2, padding=3, pool=(3, 2, 1))
    for stage, blocks, stride in STAGES:
        x = bottleneck(layer, x, f"{stage}.0", stride, downsample=True)
        for block in range(1, blocks):
            x = bottleneck(layer, x, f"{stage}.{block}")
    x = layer.average_pool(x, "avgpool")
    return layer.linear(x, "fc")


def bottleneck(layer, x, name, stride=1, downsample=False):
    """A 1x1 convolution to fewer channels, a 3x3, a 1x1 to four times as many, which is added to the block's input.

    It is added in place: the sum overwrites the input, which nothing else reads any more.
    """
    y = layer.conv2d(x, f"{name}.conv1", f"{name}.bn1", f"{name}.relu1", kernel=1)
    y = layer.conv2d(y, f"{name}.conv2", f"{name}.bn2", f"{name}.relu2", kernel=3, stride=stride, padding=1)
    if downsample:
        x = layer.conv2d(x, f"{name}.downsample.0", f"{name}.downsample.1", relu=None, kernel=1, stride=stride)
    return layer.conv2d(y, f"{name}.conv3", f"{name}.bn3", f"{name}.relu3", kernel=1, add=x)


class ResNet50:
    """A ResNet-50 with the weights of one folder.

    `weights_dir` holds `weights.safetensors`, `labels.txt`, `preprocess.json` and `quantisation.json`. The channel
    counts and the number of classes come from the weights.

    `threads` share the work of an inference, the calling one among them: by default $RESNET50_THREADS, or as many as
    there are processors for this process. They are started here and end with the network.

    Raises `WeightsError` if the folder does not hold a ResNet-50.
    Raises `UnsupportedProcessor` if the operators cannot run here.
    Raises `ThreadsError` if the number of threads is invalid, or more than the system can provide.

    `labels`: the name of each class, in the order of the logits. `preprocess(picture)`: a picture file, or a Pillow
    picture, as the image that the network expects.
    """

    def __init__(self, weights_dir: str | PathLike[str], threads: int | None = None) -> None:
        isa = instruction_set()
        folder = weight_folder(weights_dir)
        self.weights = Weights(folder, isa)
        check = WeightCheck(self.weights)
        classes, _ = forward(check, (3, "image"))
        self.weights.require_no_others()
        self.labels = read_labels(folder / "labels.txt", classes)
        self.preprocess = Preprocessing(folder / "preprocess.json")
        self.weights.load(read_scales(folder / "quantisation.json", check.scales))
        self.crew = make_crew(threads)
        self.plan = lru_cache(PLANS)(partial(make_plan, self.weights, self.crew))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The logits, float32 (classes,), of `image`: float32 (height, width, 3), normalised, 32 to 1024 pixels.

        Raises what `run` raises.
        """
        return self.run(image)

    def run(self, image: np.ndarray, on_layer: OnLayer | None = None) -> np.ndarray:
        """The same as calling the network; if given, `on_layer(name, output, seconds)` is called after each layer.

        Raises `PictureError` if `image` is not such an array.
        Raises `CompilerError` or `CacheError` if the C for the first image of a size cannot be compiled or kept.
        Raises `ThreadsError` if a forked child, which needs threads of its own, cannot start them.
        """
        image = checked(image)
        return self.plan(*image.shape[:2]).run(image, on_layer)


def make_plan(weights: Weights, crew: "ops.Crew", height: int, width: int) -> Plan:
    """The network as a plan for images of `height` x `width` pixels."""
    return Plan(*planned(weights, height, width, ops.workers(crew)), crew)


def planned(weights: Weights, height: int, width: int, workers: int = 1) -> tuple[Planner, Value]:
    """The steps of the network for images of `height` x `width` pixels and `workers`, and their last output."""
    planner = Planner(weights, height, width, workers)
    return planner, forward(planner, planner.input)


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
    """Walks the network with channel counts and names in place of tensors, to check that each weight exists.

    `x` is how many channels a value has, and the name of its scale. `scales`: the names of all scales, and whether the
    zero point may differ from 0: not where numbers are never negative.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.scales = {"image": True}

    def stem(self, x, conv, norm, relu, name, kernel, stride, padding, pool):
        return self.conv2d(x, conv, norm, name, kernel)

    def conv2d(self, x, conv, norm, relu, kernel, stride=1, padding=0, add=None):
        channels, source = x
        width = self.weights.width(f"{conv}.weight")
        self.weights.layers[conv] = norm
        self.weights.require(f"{conv}.weight", (width, channels, kernel, kernel))
        for tensor in batch_norm_tensors(norm):
            self.weights.require(tensor, (width,))
        if add and add[0] != width:
            block = conv.rpartition(".")[0]
            raise WeightsError(f"{self.weights.path}: {block}.add would add {width} channels to {add[0]}")
        self.weights.scaling[conv] = (source, relu or norm)
        if add:
            self.weights.scaling[conv] = (source, self.scale(norm, moved=True), add[1], relu)
        return width, self.scale(relu or norm, moved=not relu)

    def average_pool(self, x, name):
        channels, source = x
        self.weights.averaged = source, self.scale(name)
        return channels, name

    def linear(self, x, name):
        channels, source = x
        classes = self.weights.width(f"{name}.weight")
        if classes == 1:  # softmax would call it 100 % certain, whatever the picture
            raise WeightsError(f"{self.weights.path}: has only one class, so there is nothing to choose from")
        self.weights.layers[name] = None
        self.weights.scaling[name] = (source,)
        self.weights.require(f"{name}.weight", (classes, channels))
        self.weights.require(f"{name}.bias", (classes,))
        return classes, name

    def scale(self, name, moved=False):
        """Notes that a value needs a scale; returns its name."""
        self.scales[name] = moved
        return name
