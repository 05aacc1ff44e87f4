"""Write pictures to a file as a version prepares them for the network.

`python prepare.py WEIGHTS TARGET.npz PICTURE...`
"""

import sys

import numpy as np
from resnet50 import ResNet50

weights, target, *pictures = sys.argv[1:]
net = ResNet50(weights)
np.savez(target, *(net.preprocess(picture) for picture in pictures))
