"""A few images of a folder of classes, without decoding all of it."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
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

ALL_PARTS = (TRAINING, HELDOUT, TEST, UNDECIDED)


class Sample(NamedTuple):
    """Decoded images of a walk."""

    examples: Examples
    items: list[Item]  #: the files that were chosen
    bad: list[Bad]  #: the chosen files that are not images


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
