"""Write what a version makes of pictures before the network sees them.

`python prepare.py WEIGHTS TARGET.npz PICTURE...`
"""

import sys

import numpy as np
from resnet50 import ResNet50

weights, target, *pictures = sys.argv[1:]
net = ResNet50(weights)
np.savez(target, *(net.preprocess(picture) for picture in pictures))
