"""ResNet-50: a picture in, its name out.

>>> from resnet50 import ResNet50
>>> net = ResNet50("weights/cifar10")
>>> logits = net(net.preprocess("cat.png"))
>>> net.labels[logits.argmax()]
'cat'
"""

from .errors import (
    CacheError,
    CompilerError,
    PictureError,
    ResNet50Error,
    ThreadsError,
    UnsupportedProcessor,
    WeightsError,
)
from .network import ResNet50

__all__ = [
    "CacheError",
    "CompilerError",
    "PictureError",
    "ResNet50",
    "ResNet50Error",
    "ThreadsError",
    "UnsupportedProcessor",
    "WeightsError",
]
