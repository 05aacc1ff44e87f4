"""Errors in what the user has given: each message is one sentence that names the file or the option."""


class MnistError(ValueError):
    """Base of the errors below; the command line prints its message and exits with code 2."""


class DataError(MnistError):
    """Digits or labels are missing, damaged or not in the IDX format."""


class WeightsError(MnistError):
    """A weight file is missing, damaged or made for another network."""


class CheckpointError(MnistError):
    """There is nothing to resume, or it belongs to another training run."""


class OutputError(MnistError):
    """A file cannot be written: the disk is full, or the folder is not writable."""


class PictureError(MnistError):
    """A picture cannot be read, or shows nothing that could be a digit."""
