"""The exceptions for bad input; the command line prints them as one sentence and ends with code 2."""


class LadderError(Exception):
    """An argument or a file is wrong; the message is a sentence for the user."""


class BuildError(LadderError):
    """A version could not be built; `output` is what pip and meson printed."""

    def __init__(self, message: str, output: str):
        super().__init__(message)
        self.output = output


class WorkerError(LadderError):
    """A version's worker process died, did not answer, or gave an invalid answer."""


class InferenceError(LadderError):
    """A version rejected one picture; its worker goes on and accepts the next."""
