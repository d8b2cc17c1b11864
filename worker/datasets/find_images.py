"""Finds images of a data set: by the digest of their files, those of Fashion-MNIST by the hash of
their pixels; and a few images of class folders, without decoding all of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.errors import ImageError, SetupError, UsageError
from shared.labels.label_line import LabelLine
from shared.messages.model_card import Preprocessing
from worker.datasets import fashion_mnist
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.decode_files import THREADS, Bad, decode_all, prefetched, read_file
from worker.datasets.examples import HELDOUT, TEST, TRAINING, UNDECIDED, Examples, content_hashes
from worker.datasets.folder_layout import ClassFolderWalk, Item

Progress = Callable[[int, int], None]
REPORT_EVERY_FILES = 100
ALL_PARTS = (TRAINING, HELDOUT, TEST, UNDECIDED)


class FoundImage(NamedTuple):
    """One image of the data."""

    path: bytes = b""  #: of its file
    name: str = ""  #: of an image without a file
    image: bytes = b""  #: the same, as PNG


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


def find_labelled(files: Sequence[LabelLine], wanted: set[bytes]) -> dict[bytes, FoundImage]:
    """Those of these files with one of these SHA-256 that are where they were labelled, by
    digest."""
    by_digest = {bytes.fromhex(file.sha256): file.place for file in files if file.place}
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


def find_fashion(spec: Preprocessing, wanted: set[int]) -> dict[int, FoundImage]:
    """The images of Fashion-MNIST, which has no files of them, with these hashes of the pixels that
    a network gets, by hash.

    Raises:
        SetupError: the data set is not on this machine.
    """
    found_images: dict[int, FoundImage] = {}
    parts: tuple[tuple[fashion_mnist.Split, str], ...] = (("train", "training"), ("test", "test"))
    for part, name in parts:
        images = Examples.from_arrays(*fashion_mnist.load(part, download=False)).images
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


class Sample(NamedTuple):
    """Decoded images of a walk."""

    examples: Examples
    items: list[Item]  #: the files that were chosen
    bad: list[Bad]  #: the chosen files that are not images


def sample(
    walk: ClassFolderWalk,
    places: Iterable[int],
    spec: Preprocessing,
    parts: Collection[int] = ALL_PARTS,
) -> Sample:
    """Decode the files at these places of the walk, in its order, as training does. Only files of
    `parts` are counted."""
    wanted = set(places)
    files = (item for item in walk.items() if item.part in parts)
    reached = islice(enumerate(files), max(wanted, default=-1) + 1)
    items = [item for number, item in reached if number in wanted]
    pixels = io.BytesIO()
    bad: list[Bad] = []
    rows = decode_all(items, spec, pixels, bad.append, lambda files: None)
    shape = (len(rows.labels), spec.height, spec.width, spec.channels)
    images = np.frombuffer(pixels.getvalue(), np.uint8).reshape(shape)
    return Sample(Examples(images, rows.labels), items, bad)


def check_index(index: int, total: int) -> None:
    """Check the index of one of `total` images.

    Raises:
        SetupError: there are none.
        UsageError: there is none with this index.
    """
    if not total:
        raise SetupError("there are no images; name a folder with one folder per class")
    if not 0 <= index < total:
        raise UsageError(f"there is no image {index}; --index goes from 0 to {total - 1}")
