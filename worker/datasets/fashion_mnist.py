"""Loads Fashion-MNIST from this machine or the network, with numpy and the standard library only.

`python -m worker.datasets.fashion_mnist` exits with 0 if the data set is on this machine, else
with 1.

The data set: Xiao, Rasul and Vollgraf, arXiv:1708.07747; 60,000 training and 10,000 test images.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tempfile
import urllib.request
import zlib
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from shared.messages.model_card import PixelBounds, Preprocessing

Split = Literal["train", "test"]
Bytes = npt.NDArray[np.uint8]

#: The label names of TensorFlow's tutorial, by label number.
LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE_PIXELS = 28
#: Other images are converted as those of the data set were.
PREPROCESSING = Preprocessing(SIDE_PIXELS, SIDE_PIXELS, channels=1, convert="garment")
#: 0.5 % of the 60,000 training images are outside: 0.19 % have a brighter corner, 0.33 % less or
#: more foreground.
PIXEL_BOUNDS = PixelBounds(border=12, foreground=12, smallest=0.12, largest=0.85)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
#: Where `keras.datasets.fashion_mnist` downloads from.
BASE_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
#: For one read from the server, not for the whole file.
DOWNLOAD_TIMEOUT_S = 30.0
#: The largest file has 26 MB.
DOWNLOAD_LIMIT_BYTES = 64 << 20


class _DataFile(NamedTuple):
    """Size and sha256 are of the uncompressed content: Debian compresses it differently."""

    name: str
    header_bytes: int
    content_bytes: int
    sha256: str


_FILES: dict[Split, tuple[_DataFile, _DataFile]] = {
    "train": (
        _DataFile(
            "train-images-idx3-ubyte.gz",
            16,
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        _DataFile(
            "train-labels-idx1-ubyte.gz",
            8,
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
    ),
    "test": (
        _DataFile(
            "t10k-images-idx3-ubyte.gz",
            16,
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        _DataFile(
            "t10k-labels-idx1-ubyte.gz",
            8,
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def main() -> int:
    """Return exit code 0 if nothing has to be downloaded, else 1."""
    try:
        for split in _FILES:
            load(split, download=False)
    except SetupError:
        return 1
    return 0


def load(split: Split, download: bool = True) -> tuple[Bytes, Bytes]:
    """Images uint8 [n, 28, 28] and labels uint8 [n]: n is 60,000 (train) or 10,000 (test).

    Searches Keras' cache, then the folder of Debian's package `dataset-fashion-mnist`, then
    downloads into Keras' cache (if `download`). Every file is verified by its sha256.

    Raises:
        SetupError: none of the three sources has it.
    """
    images, labels = (_values(file, download) for file in _FILES[split])
    return images.reshape(-1, SIDE_PIXELS, SIDE_PIXELS), labels


def keras_folder() -> Path:
    """The cache folder of `keras.datasets.fashion_mnist`."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "datasets" / "fashion-mnist"


def _values(file: _DataFile, download: bool) -> Bytes:
    content = _cached(file)
    if content is None and download:
        content = _download(file)
    if content is None:
        raise SetupError(_not_found(f"{file.name} is missing or damaged"))
    return np.frombuffer(content, np.uint8, offset=file.header_bytes)


def _cached(file: _DataFile) -> bytes | None:
    for folder in (keras_folder(), DEBIAN_FOLDER):
        try:
            with open(folder / file.name, "rb") as stream:
                content = _content(stream, file)
        except OSError:
            continue
        if content is not None:
            return content
    return None


def _content(stream: BinaryIO, file: _DataFile) -> bytes | None:
    """The uncompressed content, or None if it is damaged."""
    try:
        with gzip.open(stream) as inside:
            content: bytes = inside.read(file.content_bytes + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None
    return content if hashlib.sha256(content).hexdigest() == file.sha256 else None


def _download(file: _DataFile) -> bytes | None:
    """Download the content and store it in Keras' cache, where its name appears when complete."""
    try:
        with urllib.request.urlopen(BASE_URL + file.name, timeout=DOWNLOAD_TIMEOUT_S) as response:
            data = response.read(DOWNLOAD_LIMIT_BYTES)
        content = _content(io.BytesIO(data), file)
        if content is not None:
            _store(keras_folder() / file.name, data)
    except OSError as error:
        raise SetupError(_not_found(f"downloading {file.name} failed ({error})")) from error
    return content


def _store(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        part.write(data)
    Path(part.name).replace(target)


def _not_found(why: str) -> str:
    return (
        f"Fashion-MNIST is not on this machine: {why}; run as root `apt-get install "
        f"dataset-fashion-mnist`, or copy its four .gz files to {keras_folder()}, "
        f"or connect this machine to the network and run the command again"
    )


if __name__ == "__main__":
    sys.exit(main())
