"""The error for a picture file that can't be read."""


class PictureError(ValueError):
    """A picture file can't be read; the message names the file and says why."""
