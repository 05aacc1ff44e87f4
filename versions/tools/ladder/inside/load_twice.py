"""Load a network twice in one process, each time by the version's own worker, which ends because its input is empty.

`python load_twice.py ARGUMENT...`, with the arguments of `python -m resnet50`.
"""

import io
import sys

from resnet50.__main__ import main

for _ in range(2):
    sys.stdin = io.StringIO()
    if code := main(sys.argv[1:]):
        sys.exit(code)
