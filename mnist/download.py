"""The full MNIST (60,000 digits and 10,000, 11.6 MB packed) from a mirror, each file checked by its SHA-256."""

import hashlib
import urllib.request
from http.client import HTTPException
from pathlib import Path

from rich.console import Console
from rich.progress import wrap_file

from mnist.errors import DataError
from mnist.files import write

# yann.lecun.com no longer serves the files; these are the mirrors that PyTorch and TensorFlow use.
MIRRORS = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
]
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
TIMEOUT = 20  # seconds without an answer, after which the next mirror is tried
CHUNK = 1 << 16  # bytes per step of the progress bar
LARGEST = 20_000_000  # bytes; the largest file has 9.9 MB, so a server that sends more is sending something else


def download(folder: Path, console: Console) -> None:
    """Fetch the files that `folder` does not hold yet. Raises DataError or OutputError."""
    for name, sha256 in SHA256.items():
        file = folder / name
        try:
            if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256:
                continue
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}") from error
        write(file, from_mirrors(name, sha256, console))
    console.print(f"The full MNIST is in {folder}.")


def from_mirrors(name: str, sha256: str, console: Console) -> bytes:
    """The file from the first mirror that serves it with the right checksum. Raises DataError with every reason."""
    reasons = []
    for mirror in MIRRORS:
        try:
            content = fetch(mirror + name, console)
        except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError, a bad address a ValueError
            reasons.append(f"{mirror}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
        reasons.append(f"{mirror}: wrong checksum")
    raise DataError(f"{name} could not be downloaded ({'; '.join(reasons)}); if you have the files, use --data")


def fetch(address: str, console: Console) -> bytes:
    """What the server sends, at most LARGEST bytes, with a progress bar. Raises OSError or HTTPException."""
    content = bytearray()
    with urllib.request.urlopen(address, timeout=TIMEOUT) as response:
        length = int(response.headers.get("Content-Length") or LARGEST)
        with wrap_file(response, length, description=address.rpartition("/")[2], console=console) as stream:
            while (chunk := stream.read(CHUNK)) and len(content) < LARGEST:
                content += chunk
    return bytes(content)
