"""The operators of ResNet-50, a file each. Activations are (height, width, channels), kernels (O, H, W, I)."""

from threadpoolctl import threadpool_limits

from .add import add
from .average_pool import average_pool
from .batch_norm import batch_norm
from .conv2d import conv2d
from .linear import linear
from .max_pool import max_pool
from .relu import relu

__all__ = ["add", "average_pool", "batch_norm", "conv2d", "linear", "max_pool", "relu"]

threadpool_limits(limits=1, user_api="blas")  # one thread: using several is the idea of a later version
