"""Counts the results of a job while its table is written, in memory bounded by the labels; and how
right a version is: accuracy, the weakest classes, those with too few images to judge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import compress
from operator import eq

import msgspec

from producer.job.acceptance import doubtless, doubtless_point
from producer.job.batch_reader import BatchReader
from producer.job.columns import Table
from producer.job.folder_labels import FolderLabels
from producer.job.row_batch import RowBatch
from producer.job.totals import AcceptedShare, AnswerCounts, Failures
from producer.present.formatting import one_line, percent
from producer.present.style import LABEL_CELLS, Figure, dim, doubtful, name, shortened, width
from producer.table.csv_cells import escape
from producer.table.display_options import DisplayOptions, Threshold, acceptance
from shared.image_status import BY_CODE, Status
from shared.messages.model_card import Card
from shared.messages.replies import Evaluation

#: The quantile of the normal distribution for 95 %, two-sided.
Z = 1.96
#: Classes whose mistakes are listed, and the labels that each is taken for.
CLASSES_SHOWN, OTHERS_SHOWN = 3, 2
#: With fewer images of a class, its accuracy is mostly chance: with all of 15 right, the lower
#: bound is 0.80.
FEWEST_IMAGES = 15
#: Classes with too few images that are named.
FEW_SHOWN = 5


class ClassFigures(msgspec.Struct, frozen=True):
    """The figures of one class. Fractions 0 to 1; 0 where the denominator is 0."""

    label: str
    count: int  #: images of this class
    precision: float  #: share of the images predicted as this class that are of it
    recall: float  #: share of the images of this class that are predicted as it
    f1: float  #: harmonic mean of precision and recall
    taken_for: dict[str, int] = {}  #: other labels that its images got, the most frequent first


def per_class(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[ClassFigures]:
    """The figures of every class, in the order of `labels`. `confusion`: [true][predicted]."""
    predicted = [sum(row[i] for row in confusion) for i in range(len(labels))]
    return [
        ClassFigures(
            label,
            count=sum(confusion[i]),
            precision=_share(confusion[i][i], predicted[i]),
            recall=_share(confusion[i][i], sum(confusion[i])),
            f1=_share(2 * confusion[i][i], predicted[i] + sum(confusion[i])),
            taken_for=_taken_for(labels, confusion[i], i),
        )
        for i, label in enumerate(labels)
    ]


def interval(accuracy: float, count: int) -> tuple[float, float]:
    """The Wilson interval of 95 % around an accuracy over `count` > 0 images (JASA 22, 1927)."""
    centre = (accuracy + Z * Z / (2 * count)) / (1 + Z * Z / count)
    spread = math.sqrt(accuracy * (1 - accuracy) / count + Z * Z / (4 * count * count))
    half = Z * spread / (1 + Z * Z / count)
    # Rounding must not exclude the accuracy, at 0 and at 1.
    return min(accuracy, max(0.0, centre - half)), max(accuracy, min(1.0, centre + half))


def accuracy_figure(accuracy: float, count: int, images: str, error: float = 0.0) -> Figure:
    """The accuracy over `count` > 0 images of a kind, and what it may be on other such images.

    `error` is its standard error, where one was estimated that counts near-duplicates once.
    """
    low, high = interval(accuracy, count)
    detail = f"{percent(low).removesuffix('%')} to {percent(high)} on others like these"
    if error:
        detail = f"standard error {percent(error)}, copies count once"
    return Figure(percent(accuracy), f"of {count:,} {images} images right", detail)


def weakest_lines(evaluation: Evaluation, images: str = "") -> list[str]:
    """The classes with the most mistakes, and what their images are taken for; `images` says of
    which images."""
    classes = [
        figures for figures in per_class(evaluation.labels, evaluation.confusion) if figures.count
    ]
    weak = sorted(
        (figures for figures in classes if figures.recall < 1), key=lambda figures: figures.recall
    )
    shown = weak[:CLASSES_SHOWN]
    if not shown:
        return []
    names = [shortened(one_line(figures.label), LABEL_CELLS) for figures in shown]
    cells = max(map(width, names))
    recalls = [percent(figures.recall) for figures in shown]
    figure_cells = max(6, *map(len, recalls))
    lines = [
        f"  {name(text)}{' ' * (cells - width(text))}  {recall:>{figure_cells}}  "
        + dim(f"taken for {_most_taken_for(figures)}")
        for figures, text, recall in zip(shown, names, recalls, strict=True)
    ]
    return [f"weakest classes, of the {images}:" if images else "weakest classes:", *lines]


def chance_line(evaluation: Evaluation) -> str:
    """What to check if clearly fewer are right than by chance; empty if it is not so."""
    count = evaluation.count
    if not count or interval(evaluation.accuracy, count)[1] >= 1 / len(evaluation.labels):
        return ""
    return doubtful("fewer are right than by chance; check the order of --labels, and --scale")


def few_images_line(evaluation: Evaluation) -> str:
    """The classes with too few images to judge; empty if there are none."""
    small = [
        figures
        for figures in per_class(evaluation.labels, evaluation.confusion)
        if figures.count < FEWEST_IMAGES
    ]
    if not small:
        return ""
    named = ", ".join(
        f"{one_line(figures.label)} ({figures.count})" for figures in small[:FEW_SHOWN]
    )
    more = f" and {len(small) - FEW_SHOWN:,} more" if len(small) > FEW_SHOWN else ""
    return doubtful(f"fewer than {FEWEST_IMAGES} images to judge by: {named}{more}")


def _taken_for(labels: Sequence[str], row: Sequence[int], true: int) -> dict[str, int]:
    wrong = [(count, i) for i, count in enumerate(row) if count and i != true]
    return {labels[i]: count for count, i in sorted(wrong, key=lambda pair: (-pair[0], pair[1]))}


def _most_taken_for(figures: ClassFigures) -> str:
    shown = list(figures.taken_for.items())[:OTHERS_SHOWN]
    named = ", ".join(f"{one_line(label)} ({count:,})" for label, count in shown)
    rest = sum(figures.taken_for.values()) - sum(count for _, count in shown)
    return named + (f", others ({rest:,})" if rest else "")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


class AnswerCounter:
    """Counts the rows of one version, batch by batch, in path order."""

    def __init__(self, card: Card, display: DisplayOptions | None = None) -> None:
        """Raises UsageError if the card has no threshold for the display options."""
        self._display = display or DisplayOptions()
        self._acceptance = acceptance(card, self._display)
        self._accepted, self._expected = 0, 0.0
        point = doubtless_point(card)
        self._labels, self._precision = card.labels, point.precision if point else None
        self._rule = doubtless(card)
        self._folders = FolderLabels(card.labels)
        self._all, self._sure = Counter[int](), Counter[int]()
        self._failed: dict[int, Failures] = {}
        self._in_label_folders = self._as_folder = 0
        self.flagged = 0  #: rows

    def add(self, batch: RowBatch) -> None:
        """Count one batch."""
        labels: Sequence[int] = batch.labels
        sure: Sequence[int] = batch.accepted_by(self._rule)
        self.flagged += len(batch) - batch.flags.count(0)
        self._count_accepted(batch)
        truths = self._folders.of_rows(batch)
        if batch.failed:
            self._count_failed(batch)
            good = [code == Status.OK.code for code in batch.statuses]
            labels, truths = list(compress(labels, good)), list(compress(truths, good))
            sure = list(compress(sure, good))
        self._all.update(labels)
        self._sure.update(compress(labels, sure))
        self._in_label_folders += len(truths) - truths.count(None)
        self._as_folder += sum(map(eq, truths, labels))

    def counted(self) -> AnswerCounts:
        """The counts so far."""
        ordered = sorted(self._all.items(), key=lambda item: (-item[1], item[0]))
        doubtful = [(i, count - self._sure[i]) for i, count in ordered]
        by_status = sorted(self._failed.items())
        return AnswerCounts(
            {self._labels[i]: count for i, count in ordered},
            {self._labels[i]: count for i, count in doubtful if count},
            self._precision,
            {str(BY_CODE[code]): failures for code, failures in by_status},
            self._in_label_folders,
            self._as_folder,
            self._share(),
        )

    def _count_accepted(self, batch: RowBatch) -> None:
        if self._acceptance is not None:
            accepted = batch.accepted_by(self._acceptance)
            self._accepted += sum(accepted)
            self._expected += sum(compress(batch.confidences, accepted))

    def _share(self) -> AcceptedShare | None:
        if self._acceptance is None:
            return None
        rule = self._display.threshold or Threshold()
        expected = self._expected / self._accepted if self._accepted else 0.0
        return AcceptedShare(self._accepted, expected, rule.precision, rule.confidence)

    def _count_failed(self, batch: RowBatch) -> None:
        for code in set(batch.statuses) - {Status.OK.code}:
            count, before = batch.statuses.count(code), self._failed.get(code)
            if before is None:
                first = escape(batch.names[batch.statuses.index(code)])
                self._failed[code] = Failures(count, first)
            else:
                self._failed[code] = Failures(before.count + count, before.first)


def count_rows(
    journal: BatchReader, table: Table, display: DisplayOptions | None = None
) -> AnswerCounts:
    """The counts of the rows of a table, one batch in memory at a time."""
    counter = AnswerCounter(table.card, display)
    for batch in journal.row_batches(table.rules):
        counter.add(batch)
    return counter.counted()
