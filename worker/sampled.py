"""A look at a folder of classes without decoding all of it: counts, and a few of its images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.card import Preprocessing
from shared.contract import MAX_FILE_BYTES
from shared.errors import ImageError
from worker.class_walk import Item, Walk
from worker.decode import decode
from worker.examples import Examples

#: A sign of life after so many files: a second or less.
TELL_EVERY_FILES = 10_000

Counts = npt.NDArray[np.int64]


class Sampled(NamedTuple):
    """Some images of a walk, and the files among those chosen that could not be decoded."""

    examples: Examples
    items: list[Item]  #: where the images came from, in their order
    unreadable: list[bytes]


def count(walk: Walk, on_files: Callable[[int], None]) -> Counts:
    """How many files of each class (row) are in each part (column, as in worker/split.py).

    int64 [classes, 4]; the last column holds those whose part is decided by their content.
    `on_files` is told now and then how many were seen, and may raise to stop.
    """
    counts = np.zeros((len(walk.labels), 4), np.int64)
    for number, item in enumerate(walk.items()):
        counts[item.label, item.part] += 1
        if number % TELL_EVERY_FILES == 0:
            on_files(number)
    return counts


def spread(total: int, count: int) -> npt.NDArray[np.int64]:
    """So many places of 0 to `total`, evenly spread; all of them where there are fewer."""
    count = min(total, count)
    return np.arange(count) * total // max(count, 1)


def sample(walk: Walk, places: Iterable[int], spec: Preprocessing) -> Sampled:
    """Decode the files at these places of the walk, in its order."""
    wanted, images, items, unreadable = set(places), [], [], []
    last = max(wanted, default=-1)
    for number, item in enumerate(walk.items()):
        if number in wanted:
            try:
                images.append(decode(_read(item.path), spec))
                items.append(item)
            except (ImageError, OSError):
                unreadable.append(item.path)
        if number >= last:
            break
    shape = (len(images), spec.height, spec.width, spec.channels)
    pixels = np.array(images, np.uint8).reshape(shape)
    labels = np.array([item.label for item in items], np.int64)
    return Sampled(Examples(pixels, labels), items, unreadable)


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_FILE_BYTES + 1)
