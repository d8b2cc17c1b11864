"""What a data set holds, in numbers and in the tutorial's first two pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.answer import DataReport
from shared.card import Preprocessing
from shared.errors import SetupError, UsageError
from worker import (
    class_walk,
    data,
    draw_grid,
    draw_single,
    fashion_mnist,
    heldout,
    recipes,
    sampled,
)
from worker.examples import Examples
from worker.split import HELDOUT, TEST, TRAINING, UNDECIDED

#: Folders of more files are counted but not decoded: that could take hours.
CHECKED_FILES = 20_000
#: What images of a folder are shown as.
RECIPE = recipes.RECIPES["photo"]
SAMPLES = draw_grid.ROWS * draw_grid.COLUMNS
GRID, SINGLE = "grid.png", "image.png"


class Described(NamedTuple):
    """The figures, and PNG files by name."""

    report: DataReport
    files: dict[str, bytes]


def fashion(index: int) -> Described:
    """Fashion-MNIST, as in the tutorial; `index` is of the 60,000 training images.

    Raises:
        SetupError: this machine does not have it.
        UsageError: there is no such image.
    """
    learn, test = (Examples.of(*fashion_mnist.load(split)) for split in ("train", "test"))
    held = heldout.heldout(learn.images, learn.labels)
    _check(index, len(learn.labels))
    labels = fashion_mnist.LABELS
    report = DataReport(
        name="Fashion-MNIST",
        shape=learn.images.shape[1:],
        labels=labels,
        training=_counts(learn.labels[~held], len(labels)),
        heldout=_counts(learn.labels[held], len(labels)),
        test=_counts(test.labels, len(labels)),
    )
    title = f"{labels[learn.labels[index]]} (training image {index})"
    return _drawn(report, learn, learn.images[index], title)


def folder(
    where: Path, index: int, scratch: Path, on_files: Callable[[int, int], None]
) -> Described:
    """A folder with one subfolder per class; `index` is of its files in path order.

    Up to CHECKED_FILES are all decoded, with their rows in `scratch`, so that the report is that
    of a training. `on_files` is told how many files are done, and of how many (0: not known).

    Raises:
        SetupError: it is no such folder.
        UsageError: there is no such image.
    """
    walk = class_walk.Walk(where)
    counts = sampled.count(walk, lambda done: on_files(done, 0))
    total = int(counts.sum())
    _check(index, total)
    spec = Preprocessing(*(RECIPE.size or recipes.GREY))
    some = sampled.sample(walk, sampled.spread(total, SAMPLES), spec)
    one = sampled.sample(walk, [index], spec)
    if total <= CHECKED_FILES:
        report = data.load(
            str(where), RECIPE, None, scratch, max_unreadable=1.0, on_progress=on_files
        ).report
    else:
        report = _counted(walk, counts, spec, some)
    if one.unreadable:
        raise UsageError(
            f"image {index}, {class_walk.shown(one.unreadable[0])}, cannot be read; "
            "choose another --index"
        )
    path = os.path.relpath(one.items[0].path, walk.root)
    title = f"{walk.labels[one.items[0].label]} ({class_walk.shown(path)})"
    return _drawn(report, some.examples, one.examples.images[0], title)


def _counted(
    walk: class_walk.Walk, counts: sampled.Counts, spec: Preprocessing, some: sampled.Sampled
) -> DataReport:
    """Of a folder that is too large to be decoded for a look."""
    notes = [f"more than {CHECKED_FILES:,} files: they were counted, and not all were opened"]
    if counts[:, UNDECIDED].any():
        notes.append(
            "there are no splits: a training holds out a twelfth and keeps a sixth for the test"
        )
    return DataReport(
        name=os.path.basename(walk.root).decode(errors="replace"),
        shape=(spec.height, spec.width, spec.channels),
        labels=walk.labels,
        training=tuple((counts[:, TRAINING] + counts[:, UNDECIDED]).tolist()),
        heldout=tuple(counts[:, HELDOUT].tolist()),
        test=tuple(counts[:, TEST].tolist()),
        unreadable=tuple(class_walk.shown(os.path.relpath(p, walk.root)) for p in some.unreadable),
        unreadable_count=len(some.unreadable),
        notes=tuple(notes),
    )


def _drawn(report: DataReport, some: Examples, one: np.ndarray, title: str) -> Described:
    return Described(
        report,
        {
            GRID: draw_grid.grid(report.labels, some.images, some.labels),
            SINGLE: draw_single.single(one, title),
        },
    )


def _counts(labels: np.ndarray, classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=classes).tolist())


def _check(index: int, total: int) -> None:
    if not total:
        raise SetupError("there are no images; name a folder with one folder per class")
    if not 0 <= index < total:
        raise UsageError(f"there is no image {index}; --index goes from 0 to {total - 1}")
