"""Print, as a JSON list, the compiler flags with which a version compiles the C that it generates."""

import json

from resnet50.compiler import FLAGS
from resnet50.instruction_sets import instruction_set

print(json.dumps([*FLAGS, *instruction_set().flags]))
