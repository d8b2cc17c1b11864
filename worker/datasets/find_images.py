"""Finds images of a data set: by the digest of their files, or by the hash of their pixels as a
network gets them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.errors import ImageError
from shared.labels.labelled_files import LabelledFile
from shared.messages.model_card import Preprocessing
from shared.messages.training import FASHION_MNIST
from worker.datasets import fashion_mnist
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.decode_files import THREADS, prefetched, read_file
from worker.datasets.examples import Examples
from worker.datasets.folder_layout import Item
from worker.datasets.split import HELDOUT, HELDOUT_SHARE, content_hashes
from worker.decoding.decode import decode

Progress = Callable[[int, int], None]
REPORT_EVERY_FILES = 100


class FoundImage(NamedTuple):
    """One image of the data."""

    path: bytes = b""  #: of its file
    name: str = ""  #: of an image without a file
    image: bytes = b""  #: the same, as PNG


def find(
    data: LabelledData,
    spec: Preprocessing,
    wanted: set[int],
    on_progress: Progress,
) -> dict[int, FoundImage]:
    """The images with these hashes, by hash, as far as they are there. To the data belong the
    corrected files that lie elsewhere; `on_progress` gets the files done and their number.

    Raises:
        SetupError: the data are not on this machine, or are no data set.
    """
    if not wanted:
        return {}
    if data.where == FASHION_MNIST:
        return _fashion(spec, wanted)
    walk = data.walk()
    total = sum(1 for _ in walk.items())
    images: dict[int, FoundImage] = {}
    # First those that a split by the hash of the file holds out: usually that is all of them.
    for held_out in (True, False):
        items = prefetched(partial(_hashed, spec, held_out), walk.items(), THREADS)
        for number, (path, pixels) in enumerate(items, 1):
            if pixels in wanted:
                images.setdefault(pixels, FoundImage(path))
                if len(images) == len(wanted):
                    return images
            if number % REPORT_EVERY_FILES == 0:
                on_progress(number, total)
    return images


def find_files(
    data: LabelledData, wanted: set[bytes], on_progress: Progress
) -> dict[bytes, FoundImage]:
    """The images of a folder, with corrections, whose files have these SHA-256, by digest.

    Raises:
        SetupError: the folder is not on this machine, or is no data set.
    """
    if not wanted:
        return {}
    walk = data.walk()
    total = sum(1 for _ in walk.items())
    files: dict[bytes, FoundImage] = {}
    items = prefetched(_digested, walk.items(), THREADS)
    for number, (path, digest) in enumerate(items, 1):
        if digest in wanted:
            files.setdefault(digest, FoundImage(path))
            if len(files) == len(wanted):
                break
        if number % REPORT_EVERY_FILES == 0:
            on_progress(number, total)
    return files


def find_labelled(files: Sequence[LabelledFile], wanted: set[bytes]) -> dict[bytes, FoundImage]:
    """Those of these files with one of these SHA-256 that are where they were labelled, by
    digest."""
    by_digest = {bytes.fromhex(file.sha256): file.path for file in files if file.path}
    images: dict[bytes, FoundImage] = {}
    for digest in wanted & by_digest.keys():
        with suppress(ImageError):
            if hashlib.sha256(read_file(by_digest[digest])).digest() == digest:
                images[digest] = FoundImage(by_digest[digest])
    return images


def _digested(item: Item) -> tuple[bytes, bytes]:
    try:
        return item.path, hashlib.sha256(read_file(item.path)).digest()
    except ImageError:
        return item.path, b""


def _hashed(spec: Preprocessing, held_out: bool, item: Item) -> tuple[bytes, int | None]:
    """The path, and the hash of the pixels of an image that is held out, or of one that is not."""
    try:
        data = read_file(item.path)
        if _is_held_out(data, item) is not held_out:
            return item.path, None
        return item.path, int(content_hashes(decode(data, spec)[np.newaxis])[0])
    except ImageError:
        return item.path, None


def _is_held_out(data: bytes, item: Item) -> bool:
    digest = hashlib.blake2b(data, digest_size=8).digest()
    return item.part == HELDOUT or int.from_bytes(digest, "little") / 2.0**64 < HELDOUT_SHARE


def _fashion(spec: Preprocessing, wanted: set[int]) -> dict[int, FoundImage]:
    found_images: dict[int, FoundImage] = {}
    parts: tuple[tuple[fashion_mnist.Split, str], ...] = (("train", "training"), ("test", "test"))
    for part, name in parts:
        images = Examples.of(*fashion_mnist.load(part, download=False)).images
        hashes = content_hashes(~images if spec.invert else images)
        for number in np.flatnonzero(np.isin(hashes, np.array(sorted(wanted), np.uint64))).tolist():
            image = FoundImage(
                b"", f"image {number} of the {name} file", _png(images[number, ..., 0])
            )
            found_images.setdefault(int(hashes[number]), image)
    return found_images


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
