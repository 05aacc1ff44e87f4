"""What versions really do that compute a convolution in another way than it is defined, as they tell themselves."""

import json
import subprocess
from pathlib import Path

from ladder.core.environment import variables
from ladder.core.errors import LadderError
from ladder.core.versions import Version
from ladder.inside import program
from ladder.timing import cost
from ladder.timing.cost import Work
from shared_weights.architecture import layers


def really_done(version: Version, python: Path, weights: Path, size: int) -> dict[str, Work | None]:
    """Layer -> its work, None if it is computed as defined; empty for versions without a plan, where all layers are.

    Raises LadderError with the last line of stderr if the version fails.
    """
    if not version.plans:
        return {}
    command = [str(python), program("really_done"), str(weights), str(size)]
    done = subprocess.run(command, env=variables(), capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["(no word on stderr)"]
        raise LadderError(f"{version.name} can't report its operations: {words[-1]}")
    return {name: work and Work(*work) for name, work in json.loads(done.stdout).items()}


def share_done(version: Version, python: Path, weights: Path, size: int) -> float:
    """Of two operations for each multiply-add of the network, the share that the version really does."""
    network, works = layers(size, size), really_done(version, python, weights, size)
    steps = cost.steps(network, works, version.fuses)
    saved = sum(cost.operations(steps[name]) - cost.done(steps[name], work) for name, work in works.items() if work)
    return 1 - saved / (2 * sum(layer.multiply_adds for layer in network))
