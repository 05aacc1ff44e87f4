"""What the tool raises for bad input; the command line prints it as one sentence and ends with code 2."""


class LadderError(Exception):
    """Something given to the tool, or found in the tree, is wrong: the message is a sentence for the user."""


class BuildError(LadderError):
    """A version could not be built; `output` is what the tools printed that tried."""

    def __init__(self, message: str, output: str):
        super().__init__(message)
        self.output = output


class WorkerError(LadderError):
    """A version's worker process died, stayed silent or answered something that is no answer."""


class InferenceError(LadderError):
    """A version refused one picture; its worker goes on and takes the next."""
