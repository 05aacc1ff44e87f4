"""The errors this package raises. The command line prints any of them as one line and exits with code 2."""


class ResNet50Error(Exception):
    """Base class of all errors that this package raises on purpose."""


class PictureError(ResNet50Error, ValueError):
    """A picture, or an array given in place of one, cannot be used."""


class WeightsError(ResNet50Error, ValueError):
    """A weight folder is missing, damaged, or not a ResNet-50's."""


class InstallationError(ResNet50Error, RuntimeError):
    """Several distributions have installed a package of this name into one environment."""
