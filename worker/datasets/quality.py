"""The quality of a data set: notes on its weaknesses, and files that are not images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from shared.messages.files import printable
from shared.messages.model_card import Preprocessing
from shared.messages.replies import DataReport
from worker.datasets.decode_files import Bad, DecodedRows
from worker.datasets.examples import HELDOUT, TEST, TRAINING, Labels, Parts
from worker.datasets.folder_layout import (
    BESIDE,
    CLOSED,
    HIDDEN,
    LINKS,
    LOST,
    OTHER,
    OTHER_KINDS,
    RARE,
    UNLABELLED,
    ClassFolderWalk,
)

#: A class larger than another by this factor is reported.
IMBALANCE_RATIO = 3
#: Number of files named in a report, and in an error.
NAMED, NAMED_IN_ERROR = 1000, 3
Groups = npt.NDArray[np.int64]  #: [n], images with the same number are copies
_FOLDERS = {TRAINING: "train/", HELDOUT: "validation/", TEST: "test/"}


def photo_notes(
    labels: tuple[str, ...],
    rows: DecodedRows,
    parts: Parts,
    skipped: Mapping[str, int],
) -> tuple[str, ...]:
    """As `notes`, where rows with equal `contents` are near-duplicates, which a report lists."""
    return (
        *_imbalance(labels, rows, parts),
        *_near_duplicates(rows, parts),
        *_skipped_files(skipped),
    )


def notes(
    labels: tuple[str, ...],
    rows: DecodedRows,
    parts: Parts,
    skipped: Mapping[str, int],
    to_learn: bool,
) -> tuple[str, ...]:
    """Imbalance (for training only), copies, and the numbers of skipped files."""
    about = _imbalance(labels, rows, parts) if to_learn else ()
    return (*about, *_copies(rows, parts), *_skipped_files(skipped))


def _imbalance(labels: tuple[str, ...], rows: DecodedRows, parts: Parts) -> Iterator[str]:
    counts = np.bincount(rows.labels[parts == TRAINING], minlength=len(labels))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > IMBALANCE_RATIO * counts[least]:
        yield (
            f"{labels[most]} has {counts[most]} images to learn from, {labels[least]} only "
            f"{counts[least]}; with --weighted every class counts the same"
        )


def copies(rows: DecodedRows) -> Iterator[tuple[int, int]]:
    """Each row whose pixels an earlier one has, and the first of these."""
    _, first, same = np.unique(rows.contents, return_index=True, return_inverse=True)
    first_of = first[same]
    for row in np.flatnonzero(first_of != np.arange(len(first_of))).tolist():
        yield row, int(first_of[row])


def _copies(rows: DecodedRows, parts: Parts) -> Iterator[str]:
    groups, same = np.unique(rows.contents, return_inverse=True)
    if len(groups) == len(same):
        return
    yield f"{_are(len(same) - len(groups))} copied from others, pixel by pixel"
    for one, other, count in _leaks(same, parts):
        yield (
            f"{_are(count)} both in {_FOLDERS[one]} and in {_FOLDERS[other]}: "
            "figures of the latter are too good"
        )
    twice = int(np.count_nonzero(_is_ambiguous(same, rows.labels)))
    if twice:
        yield f"{_are(twice)} in more than one class"


def _near_duplicates(rows: DecodedRows, parts: Parts) -> Iterator[str]:
    _, same = np.unique(rows.contents, return_inverse=True)
    for one, other, count in _leaks(same, parts):
        yield (
            f"{_images(count)} of {_FOLDERS[other]} {'has' if count == 1 else 'have'} "
            f"near-duplicates in {_FOLDERS[one]}: figures of {_FOLDERS[other]} are too good"
        )
    twice = int(np.count_nonzero(_is_ambiguous(same, rows.labels)[same]))
    if twice:
        yield f"{_images(twice)} have near-duplicates in another class"


def _leaks(groups: Groups, parts: Parts) -> Iterator[tuple[int, int, int]]:
    """Two parts that share groups [n], and how many images of the second one are of these."""
    for one, other in ((TRAINING, TEST), (HELDOUT, TEST), (TRAINING, HELDOUT)):
        shared = np.isin(groups[parts == other], groups[parts == one])
        if shared.any():
            yield one, other, int(np.count_nonzero(shared))


def _is_ambiguous(groups: Groups, labels: Labels) -> npt.NDArray[np.bool_]:
    """Whether each group, numbered from 0, has images of more than one class."""
    size = int(groups.max(initial=-1)) + 1
    lowest = np.full(size, np.iinfo(np.int64).max, np.int64)
    highest = np.full(size, -1, np.int64)
    np.minimum.at(lowest, groups, labels)
    np.maximum.at(highest, groups, labels)
    differ: npt.NDArray[np.bool_] = lowest != highest
    return differ


def _are(count: int) -> str:
    return f"{_images(count)} {'is' if count == 1 else 'are'}"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _skipped_files(skipped: Mapping[str, int]) -> Iterator[str]:
    reasons = (HIDDEN, LINKS, OTHER_KINDS, OTHER, BESIDE, UNLABELLED, CLOSED, LOST, RARE)
    counts = [f"{skipped[reason]} ({reason})" for reason in reasons if skipped[reason]]
    if counts:
        yield f"skipped: {', '.join(counts)}"


class UnreadableFiles:
    """The unreadable ones of `total` files; more than the share `share` of them is an error."""

    def __init__(
        self, root: bytes, total: int, share: float, on_progress: Callable[[int, int], None]
    ) -> None:
        self._root, self._total, self._share = root, total, share
        self._on_progress = on_progress
        self._done = 0
        self.count = 0
        self.described: list[str] = []

    def add(self, bad: Bad) -> None:
        """Count a file."""
        self.count += 1
        if len(self.described) < NAMED:
            path = printable(bad.path.removeprefix(self._root + b"/"))
            self.described.append(f"{path}: {bad.status.sentence}")

    def done(self, files: int) -> None:
        """Record that `files` more files were read."""
        self._done += files
        self.check()
        self._on_progress(self._done, max(self._done, self._total))

    def check(self) -> None:
        """Check the share.

        Raises:
            SetupError: too many files are unreadable.
        """
        if self.count <= self._share * self._total:
            return
        first = "; ".join(line.removesuffix(".") for line in self.described[:NAMED_IN_ERROR])
        raise SetupError(
            f"{self.count} of the first {self._done} files could not be read, more than "
            f"{self._share:.1%} of all {self._total} ({first}); remove them, or allow more with "
            "--max-unreadable"
        )


def data_report(
    walk: ClassFolderWalk,
    spec: Preprocessing,
    labels: Labels,
    parts: Parts,
    refused: UnreadableFiles,
    notes: Sequence[str],
    duplicates: Sequence[str],
    **about_duplicates: Any,
) -> DataReport:
    """The report on images [n] with these labels, in these parts. `duplicates` are lines on the
    first ones."""

    def counts(part: int) -> tuple[int, ...]:
        images = np.bincount(labels[parts == part], minlength=len(walk.labels))
        return tuple(images.tolist())

    return DataReport(
        name=printable(walk.root.rpartition(b"/")[2]),
        shape=(spec.height, spec.width, spec.channels),
        labels=walk.labels,
        training=counts(TRAINING),
        heldout=counts(HELDOUT),
        test=counts(TEST),
        unreadable=tuple(refused.described),
        unreadable_count=refused.count,
        notes=tuple(notes),
        duplicates=tuple(duplicates),
        **about_duplicates,
    )
