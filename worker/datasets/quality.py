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
from worker.datasets.decode_files import Bad
from worker.datasets.examples import HELDOUT, TEST, TRAINING, Hashes, Labels, Parts
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
Groups = npt.NDArray[np.int64]  #: [n], images with the same number are alike
_FOLDERS = {TRAINING: "train/", HELDOUT: "validation/", TEST: "test/"}


def notes(
    names: tuple[str, ...],
    labels: Labels,
    parts: Parts,
    groups: Groups | Hashes,
    skipped: Mapping[str, int],
    *,
    alike: str,
    to_learn: bool,
) -> tuple[str, ...]:
    """Imbalance (for training only), groups of images [n] that are `alike` in several parts or
    classes, and the numbers of skipped files."""
    return (
        *(_imbalance(names, labels, parts) if to_learn else ()),
        *_shared_groups(np.unique(groups, return_inverse=True)[1], labels, parts, alike),
        *_skipped_files(skipped),
    )


def _imbalance(names: tuple[str, ...], labels: Labels, parts: Parts) -> Iterator[str]:
    counts = np.bincount(labels[parts == TRAINING], minlength=len(names))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > IMBALANCE_RATIO * counts[least]:
        yield (
            f"{names[most]} has {counts[most]} images to learn from, {names[least]} only "
            f"{counts[least]}; with --weighted every class counts the same"
        )


def repeated(groups: Groups | Hashes) -> Iterator[tuple[int, int]]:
    """Each image of the group of an earlier one, and the first of that group."""
    _, first, same = np.unique(groups, return_index=True, return_inverse=True)
    first_of = first[same]
    for image in np.flatnonzero(first_of != np.arange(len(first_of))).tolist():
        yield image, int(first_of[image])


def _shared_groups(groups: Groups, labels: Labels, parts: Parts, alike: str) -> Iterator[str]:
    for one, other in ((TRAINING, TEST), (HELDOUT, TEST), (TRAINING, HELDOUT)):
        count = int(np.isin(groups[parts == other], groups[parts == one]).sum())
        if count:
            yield (
                f"{_images(count)} of {_FOLDERS[other]} {'has' if count == 1 else 'have'} {alike} "
                f"in {_FOLDERS[one]}: figures of {_FOLDERS[other]} are too good"
            )
    count = int(_is_ambiguous(groups, labels)[groups].sum())
    if count:
        yield f"{_images(count)} have {alike} in another class"


def _is_ambiguous(groups: Groups, labels: Labels) -> npt.NDArray[np.bool_]:
    """Whether each group, numbered from 0, has images of more than one class."""
    size = int(groups.max(initial=-1)) + 1
    lowest = np.full(size, np.iinfo(np.int64).max, np.int64)
    highest = np.full(size, -1, np.int64)
    np.minimum.at(lowest, groups, labels)
    np.maximum.at(highest, groups, labels)
    differ: npt.NDArray[np.bool_] = lowest != highest
    return differ


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
        self.files: list[Bad] = []

    def described(self, most: int) -> list[str]:
        """The first files, each with its reason."""
        root = self._root + b"/"
        return [
            f"{printable(bad.path.removeprefix(root))}: {bad.status.sentence}"
            for bad in self.files[:most]
        ]

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
        if len(self.files) <= self._share * self._total:
            return
        first = "; ".join(line.removesuffix(".") for line in self.described(NAMED_IN_ERROR))
        raise SetupError(
            f"{len(self.files)} of the first {self._done} files could not be read, more than "
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
    first of them."""

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
        unreadable=tuple(refused.described(NAMED)),
        unreadable_count=len(refused.files),
        notes=tuple(notes),
        duplicates=tuple(duplicates),
        **about_duplicates,
    )
