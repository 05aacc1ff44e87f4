"""ResNet-50: a picture in, its label out.

>>> from resnet50 import ResNet50
>>> net = ResNet50("weights/cifar10")
>>> logits = net(net.preprocess("cat.png"))
>>> net.labels[logits.argmax()]
'cat'
"""

from .errors import (
    CacheError,
    CompilerError,
    InstallationError,
    PictureError,
    ResNet50Error,
    ThreadsError,
    UnsupportedProcessor,
    WeightsError,
)

__all__ = [
    "CacheError",
    "CompilerError",
    "InstallationError",
    "PictureError",
    "ResNet50",
    "ResNet50Error",
    "ThreadsError",
    "UnsupportedProcessor",
    "WeightsError",
]

TYPE_CHECKING = False  # True for type checkers; importing it from `typing` would take 4 ms
if TYPE_CHECKING:
    from .network import ResNet50
else:

    def __getattr__(name):
        """ResNet50, imported on first use, after a check of what is installed.

        `python -m resnet50` imports this file before __main__.py, which can prepare for Ctrl-C only afterwards.
        """
        if name != "ResNet50":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .installation import check

        check()
        from .network import ResNet50

        globals()[name] = ResNet50
        return ResNet50

    def __dir__():
        return [*globals(), "ResNet50"]
