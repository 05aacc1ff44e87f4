"""Print what each layer of a version really takes, as JSON, where the version computes it in another way than defined.

`python really_done.py WEIGHTS SIZE`. For each layer that `on_layer` tells of: the operations and the bytes of all steps
that it has in the plan, with input, weights and output in each of them; null for a layer that is computed as defined.
"""

import json
import sys
from math import prod

from resnet50 import ResNet50

weights, size = sys.argv[1], int(sys.argv[2])
try:
    plan = ResNet50(weights).plan(size, size)
except (ValueError, RuntimeError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
taken: dict[str, list[int] | None] = {}
for step in plan.steps:
    taken.setdefault(step.name, None)
    if operations := getattr(getattr(step, "generated", None), "operations", 0):
        moved = 4 * (prod(step.input.shape) + prod(step.output.shape)) + sum(array.nbytes for array in step.weights)
        before = taken[step.name] or [0, 0]
        taken[step.name] = [before[0] + operations, before[1] + moved]
print(json.dumps(taken))
