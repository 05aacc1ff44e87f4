"""Runs under valgrind, in a version's environment: loads a network, runs it once and frees it; twice.

Arguments: the weight folder, an image as .npy, the library made of defined.c, and where to write the logits.
"""

import ctypes
import gc
import sys

import numpy as np
from resnet50 import ResNet50

weights, image, library, target = sys.argv[1:]
require_defined = ctypes.CDLL(library).require_defined
require_defined.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
for _ in range(2):
    net = ResNet50(weights)
    logits = net(np.load(image))
    require_defined(logits.ctypes.data, logits.nbytes)
    del net
    gc.collect()
np.save(target, logits)
