"""What can go wrong, by name. The command line prints any of these as one line and exits with code 2."""


class ResNet50Error(Exception):
    """Any error this package raises on purpose."""


class PictureError(ResNet50Error, ValueError):
    """A picture, or an array given as one, that cannot be used."""


class WeightsError(ResNet50Error, ValueError):
    """A weight folder that is missing, damaged, or not a ResNet-50's."""


class InstallationError(ResNet50Error, RuntimeError):
    """Several distributions have installed a package of this name into one environment."""


class UnsupportedProcessor(ResNet50Error, RuntimeError):
    """This processor lacks instructions that the version is written in, if it is written in particular ones."""


class ThreadsError(ResNet50Error, ValueError):
    """A number of threads that there cannot be, or that the system does not give."""


class CompilerError(ResNet50Error, RuntimeError):
    """There is no C compiler, or it does not make what it should."""


class CacheError(ResNet50Error, RuntimeError):
    """The folder for compiled code cannot be used."""
