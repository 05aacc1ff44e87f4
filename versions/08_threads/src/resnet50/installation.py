"""Whether this package's files are all its own: several distributions may have put theirs into the same folder."""

from pathlib import Path

from .errors import InstallationError


def check() -> None:
    """Raises `InstallationError` if another distribution has a package of the same name where this one lies.

    The one installed last has overwritten some of the other's files, and imports the rest. pip does not notice,
    since only the distributions' names differ. A source tree, a copy or a zip file has no records beside it.
    """
    package = Path(__file__).parent
    record = f"{package.name}/__init__.py,".encode()  # how RECORD begins the line of a file
    owners = [
        file.parent.name.partition("-")[0].replace("_", "-")
        for file in sorted(package.parent.glob(f"{package.name}*.dist-info/RECORD"))
        if record in file.read_bytes()
    ]
    if len(owners) > 1:
        raise InstallationError(
            f"{' and '.join(owners)} are installed in one environment ({package.parent}) and have overwritten each "
            f"other's files; remove all of them (pip uninstall {' '.join(owners)}), then install one: each needs an "
            "environment of its own"
        )
