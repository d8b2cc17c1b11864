"""The request to describe a data set, in numbers and in the tutorial's first two plots."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError, UsageError
from shared.messages.files import printable
from shared.messages.model_card import Preprocessing
from shared.messages.replies import DataReport
from shared.messages.requests import ShowData
from shared.messages.training import FASHION_MNIST
from worker.datasets import fashion_mnist, find_images, folder_layout, load
from worker.datasets.class_folder import Counts, count_files
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import HELDOUT, TEST, TRAINING, UNDECIDED, Examples, evenly_spaced
from worker.evaluation import image_sheets
from worker.requests.context import LOADING, Context, Reply

#: Folders of more files are counted but not decoded: that could take hours.
CHECKED_FILES = 20_000
TOO_MANY = f"more than {CHECKED_FILES:,} files: all were counted, but not all were opened"
#: Images of a folder are displayed in this size.
SIZE = (96, 96, 3)
SPEC = Preprocessing(*SIZE)
#: If the requested file cannot be decoded, one of the next files is displayed.
LOOK_AHEAD_FILES = 25
SAMPLES = image_sheets.GRID_ROWS * image_sheets.GRID_COLUMNS
GRID, SINGLE = "grid.png", "image.png"

Image = npt.NDArray[np.uint8]  #: [height, width, channels]


def show(context: Context, work: ShowData) -> Reply:
    """A DataReport, with `grid.png` and `image.png`.

    Raises:
        SetupError: the data are not available where the trainer runs, or are no data set.
        UsageError: there is no image with that index.
        RequestStopped: the request was cancelled or taken over.
    """
    context.stage(LOADING)
    if work.data == FASHION_MNIST:
        described = fashion(work.index, context.folder)
    else:
        described = folder(Path(work.data), work.index, context.folder, context.loading)
    return Reply(described.report, described.files)


class Described(NamedTuple):
    """The figures, and PNG files by name."""

    report: DataReport
    files: dict[str, bytes]


def fashion(index: int, scratch: Path) -> Described:
    """Fashion-MNIST, as in the tutorial; `index` refers to the 60,000 training images.

    Raises:
        SetupError: this machine does not have it.
        UsageError: there is no such image.
    """
    learn = Examples.from_arrays(*fashion_mnist.load("train"))
    find_images.check_index(index, len(learn.labels))
    report = load.load(LabelledData(FASHION_MNIST), None, None, scratch).report
    title = f"{report.labels[learn.labels[index]]} (training image {index})"
    return _drawn(report, learn, learn.images[index], title)


def folder(
    where: Path, index: int, scratch: Path, on_files: Callable[[int, int], None]
) -> Described:
    """A folder with one subfolder per class; `index` refers to its files in path order.

    Up to CHECKED_FILES files are all decoded, with their rows in `scratch`, so that the report is
    the same as that of a training. `on_files` gets the number of files done, and of all so far.

    Raises:
        SetupError: the folder does not have this form.
        UsageError: there is no such image.
    """
    walk = folder_layout.ClassFolderWalk(where)
    counts = count_files(walk, on_files)
    total = counts.total()
    find_images.check_index(index, total)
    image, title = _single(walk, index, total)
    some = _samples(walk, counts)
    if total > CHECKED_FILES:
        report = _counted(walk, counts, some, TOO_MANY)
    else:
        try:
            report = _checked(where, scratch, on_files)
        except SetupError as error:  # the counts help to find the reason
            report = _counted(walk, counts, some, f"it cannot be trained on: {error}")
    return _drawn(report, some.examples, image, title)


def _samples(walk: folder_layout.ClassFolderWalk, counts: Counts) -> find_images.Sample:
    """Files to learn from, evenly spaced, ordered by label; of all parts if there are none."""
    learned = (TRAINING, UNDECIDED)
    parts = learned if any(part in learned for _, part in counts) else find_images.ALL_PARTS
    places = evenly_spaced(sum(n for (_, part), n in counts.items() if part in parts), SAMPLES)
    some = find_images.sample(walk, places, SPEC, parts)
    order = np.argsort(some.examples.labels, kind="stable")
    examples = Examples(some.examples.images[order], some.examples.labels[order])
    return some._replace(examples=examples)


def _single(walk: folder_layout.ClassFolderWalk, index: int, total: int) -> tuple[Image, str]:
    """The image with this index, or the next that can be decoded, and its title."""
    near = find_images.sample(walk, range(index, min(index + LOOK_AHEAD_FILES, total)), SPEC)
    bad = {failure.path for failure in near.bad}
    good = [item for item in near.items if item.path not in bad]
    if not good:
        path, why = _below(near.bad[0].path, walk), near.bad[0].status.sentence
        raise UsageError(f"{path}: {why} Choose another --index")
    title = f"{walk.labels[good[0].label]} ({_below(good[0].path, walk)})"
    return near.examples.images[0], title


def _checked(where: Path, scratch: Path, on_files: Callable[[int, int], None]) -> DataReport:
    """The report as in a training, with every unreadable file."""
    return load.load(
        LabelledData(str(where)), SIZE, None, scratch, max_unreadable=1.0, on_progress=on_files
    ).report


def _counted(
    walk: folder_layout.ClassFolderWalk, counts: Counts, some: find_images.Sample, note: str
) -> DataReport:
    """A report from the names of the files alone."""
    notes = [note]

    def counted(*parts: int) -> tuple[int, ...]:
        classes = range(len(walk.labels))
        return tuple(sum(counts[label, part] for part in parts) for label in classes)

    if any(counted(UNDECIDED)):
        notes.append(
            "there are no splits: training holds out a twelfth, and sets a sixth aside for the test"
        )
    return DataReport(
        name=os.path.basename(walk.root).decode(errors="replace"),
        shape=(SPEC.height, SPEC.width, SPEC.channels),
        labels=walk.labels,
        training=counted(TRAINING, UNDECIDED),
        heldout=counted(HELDOUT),
        test=counted(TEST),
        unreadable=tuple(f"{_below(bad.path, walk)}: {bad.status.sentence}" for bad in some.bad),
        unreadable_count=len(some.bad),
        notes=tuple(notes),
    )


def _below(path: bytes, walk: folder_layout.ClassFolderWalk) -> str:
    return printable(os.path.relpath(path, walk.root))


def _drawn(report: DataReport, some: Examples, image: Image, title: str) -> Described:
    return Described(
        report,
        {
            GRID: image_sheets.grid(report.labels, some.images, some.labels),
            SINGLE: image_sheets.single(image, title),
        },
    )
