"""A version in its own process, which is kept alive and answers requests."""

import shlex
from pathlib import Path
from typing import Any, Self

import execnet
import numpy as np

from ladder.core import environment
from ladder.core.errors import WorkerError
from ladder.core.versions import Version

PATIENCE = 1800.0  # seconds for one answer; the longest, a hundred loads of 04, takes a hundredth of it
LEAVE = 5.0
REMOTE = Path(__file__).parent / "inside" / "remote.py"


class Process:
    """A version that answers requests; to be used in a `with` statement, which ends the process.

    `variables`: its environment variables besides those of this process. Raises WorkerError, also from each request,
    if the version rejects its input, ends, or gives no answer for `PATIENCE` seconds.
    """

    def __init__(self, version: Version, **variables: str) -> None:
        self.name = version.name
        # No PYTHONPATH, which could put another `resnet50` before the installed one.
        settings = {"PYTHONPATH": ""} | variables
        spec = [f"popen//python={shlex.quote(str(environment.python(version)))}"]
        spec += [f"env:{name}={value}" for name, value in settings.items()]
        self.group = execnet.Group()
        try:
            self.channel = self.group.makegateway("//".join(spec)).remote_exec(REMOTE.read_text())
            self.pid: int = self.ask("process")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; it is killed if it is still working after `LEAVE` seconds."""
        self.group.terminate(timeout=LEAVE)

    def ask(self, request: str, *arguments: Any) -> Any:
        """The result of remote.py's function `request` for these arguments."""
        try:
            self.channel.send((request, arguments))
            return self.channel.receive(timeout=PATIENCE)
        except self.channel.RemoteError as error:
            raise WorkerError(f"{self.name}: {error.formatted.strip().splitlines()[-1]}") from None
        except self.channel.TimeoutError:
            raise WorkerError(f"{self.name} gave no answer for {PATIENCE:g} s") from None
        except (EOFError, OSError):
            raise WorkerError(f"{self.name} ended during the request {request}") from None

    def infer(self, weights: Path, images: list[np.ndarray], threads: int | None = None) -> list[np.ndarray]:
        """The logits, float32 (classes,), of float32 (H, W, 3) images, from a network loaded only for them."""
        answers = self.ask("infer", str(weights), [packed(image) for image in images], threads)
        return [np.frombuffer(logits, np.float32) for logits in answers]


def packed(image: np.ndarray) -> tuple[int, int, bytes]:
    """A float32 (H, W, 3) array as remote.py takes it."""
    height, width, _ = image.shape
    return height, width, image.tobytes()
