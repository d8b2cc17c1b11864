"""Describes a folder of classes without decoding all of it: counts, and a few of its images."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError, UsageError
from shared.messages.model_card import Preprocessing
from worker.datasets.decode_files import Bad, decode_all
from worker.datasets.examples import Examples
from worker.datasets.folder_layout import ClassFolderWalk, Item
from worker.datasets.split import HELDOUT, TEST, TRAINING, UNDECIDED

#: Files counted between two progress reports: a second or less.
REPORT_EVERY_FILES = 10_000

ALL_PARTS = (TRAINING, HELDOUT, TEST, UNDECIDED)

Counts = npt.NDArray[np.int64]


class Sample(NamedTuple):
    """Decoded images of a walk."""

    examples: Examples
    items: list[Item]  #: the files that were chosen
    bad: list[Bad]  #: the chosen files that are not images


def count(walk: ClassFolderWalk, on_files: Callable[[int], None]) -> Counts:
    """The number of files of each class (row) and part (column, as in worker/datasets/split.py).

    int64 [classes, 4]; the last column counts the files whose part depends on their content.
    `on_files` gets the number of files so far, and may raise to stop.
    """
    counts = np.zeros((len(walk.labels), 4), np.int64)
    for number, item in enumerate(walk.items()):
        counts[item.label, item.part] += 1
        if number % REPORT_EVERY_FILES == 0:
            on_files(number)
    return counts


def spread(total: int, count: int) -> npt.NDArray[np.int64]:
    """`count` evenly spaced places from 0 to `total`; all places if there are fewer."""
    count = min(total, count)
    return np.arange(count) * total // max(count, 1)


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
