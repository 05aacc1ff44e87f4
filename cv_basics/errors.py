"""What can be wrong with a picture file."""


class PictureError(ValueError):
    """A picture file can't be read; the message names the file and says why."""
