"""The errors this package raises. The command line prints any of them as one line and exits with code 2."""


class ResNet50Error(Exception):
    """Base class of all errors that this package raises on purpose."""


class PictureError(ResNet50Error, ValueError):
    """A picture, or an array given in place of one, cannot be used."""


class WeightsError(ResNet50Error, ValueError):
    """A weight folder is missing, damaged, or not a ResNet-50's."""


class InstallationError(ResNet50Error, RuntimeError):
    """Several distributions have installed a package of this name into one environment."""


class UnsupportedProcessor(ResNet50Error, RuntimeError):
    """This processor lacks instructions that this version needs: AVX2 and FMA."""


class ThreadsError(ResNet50Error, ValueError):
    """An invalid number of threads, or more than the system can provide."""


class CompilerError(ResNet50Error, RuntimeError):
    """There is no C compiler, or it fails."""


class CacheError(ResNet50Error, RuntimeError):
    """The folder for compiled code cannot be used."""
