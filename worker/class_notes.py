"""What is worth knowing about a data set before its figures are believed: one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from worker.class_walk import BESIDE, CLOSED, HIDDEN, LINKS, OTHER
from worker.decoded import Rows
from worker.split import HELDOUT, TEST, TRAINING, Parts

#: A class so many times as large as another is worth a word.
IMBALANCE_RATIO = 3
_FOLDERS = {TRAINING: "train/", HELDOUT: "validation/", TEST: "test/"}


def notes(
    labels: tuple[str, ...],
    rows: Rows,
    parts: Parts,
    skipped: Mapping[str, int],
    to_learn: bool,
) -> tuple[str, ...]:
    """Imbalance if they are to be learned from, copies, and what was passed over."""
    about = _imbalance(labels, rows, parts) if to_learn else ()
    return (*about, *_copies(rows, parts), *_passed_over(skipped))


def _imbalance(labels: tuple[str, ...], rows: Rows, parts: Parts) -> Iterator[str]:
    counts = np.bincount(rows.labels[parts == TRAINING], minlength=len(labels))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > IMBALANCE_RATIO * counts[least]:
        yield (
            f"{labels[most]} has {counts[most]} images to learn from, {labels[least]} only "
            f"{counts[least]}; with --weighted every class counts the same"
        )


def _copies(rows: Rows, parts: Parts) -> Iterator[str]:
    groups, same = np.unique(rows.contents, return_inverse=True)
    if len(groups) == len(same):
        return
    yield f"{_are(len(same) - len(groups))} copied from others, pixel by pixel"
    pairs = [(TRAINING, TEST), (HELDOUT, TEST), (TRAINING, HELDOUT)]
    for one, other in pairs:
        shared = np.intersect1d(same[parts == one], same[parts == other])
        if len(shared):
            yield (
                f"{_are(len(shared))} both in {_FOLDERS[one]} and in {_FOLDERS[other]}: "
                "figures of the latter are too good"
            )
    lowest = np.full(len(groups), len(rows.labels), np.int64)
    highest = np.full(len(groups), -1, np.int64)
    np.minimum.at(lowest, same, rows.labels)
    np.maximum.at(highest, same, rows.labels)
    twice = int(np.count_nonzero(lowest != highest))
    if twice:
        yield f"{_are(twice)} in more than one class"


def _are(count: int) -> str:
    return "1 image is" if count == 1 else f"{count} images are"


def _passed_over(skipped: Mapping[str, int]) -> Iterator[str]:
    reasons = (HIDDEN, LINKS, OTHER, BESIDE, CLOSED)
    found = [f"{skipped[reason]} ({reason})" for reason in reasons if skipped[reason]]
    if found:
        yield f"passed over: {', '.join(found)}"
