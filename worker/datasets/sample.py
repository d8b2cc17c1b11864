"""A look at a folder of classes without decoding all of it: counts, and a few of its images."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.messages.model_card import Preprocessing
from worker.datasets.decode_files import Bad, decode_all
from worker.datasets.examples import Examples
from worker.datasets.folder_layout import Item, Walk

#: A sign of life after so many files: a second or less.
TELL_EVERY_FILES = 10_000

Counts = npt.NDArray[np.int64]


class Sample(NamedTuple):
    """Some images of a walk."""

    examples: Examples
    items: list[Item]  #: the files that were chosen
    bad: list[Bad]  #: those of them that are no images


def count(walk: Walk, on_files: Callable[[int], None]) -> Counts:
    """How many files of each class (row) are in each part (column, as in worker/datasets/split.py).

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


def sample(walk: Walk, places: Iterable[int], spec: Preprocessing) -> Sample:
    """Decode the files at these places of the walk, in its order, as for a training."""
    wanted = set(places)
    reached = islice(enumerate(walk.items()), max(wanted, default=-1) + 1)
    items = [item for number, item in reached if number in wanted]
    pixels = io.BytesIO()
    bad: list[Bad] = []
    rows = decode_all(items, spec, pixels, bad.append, lambda files: None)
    shape = (len(rows.labels), spec.height, spec.width, spec.channels)
    images = np.frombuffer(pixels.getvalue(), np.uint8).reshape(shape)
    return Sample(Examples(images, rows.labels), items, bad)
