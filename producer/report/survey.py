"""The figures of a table: one pass over its journal, in memory that does not grow with its rows."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

from producer.rows.acceptance import Acceptance, at_precision, doubtless
from producer.rows.folder_labels import FolderLabels, LabelPairs
from producer.rows.row_batch import RowBatch
from shared.errors import UsageError
from shared.image_status import BY_CODE, FLAGS
from shared.messages.model_card import Card

#: Parts of the confidences from 0 to 1, equally wide.
BINS = 50


class Point:
    """What one operating point of the card accepts of the table."""

    def __init__(self, precision: float, threshold: float | None, acceptance: Acceptance) -> None:
        self.precision, self.threshold, self.acceptance = precision, threshold, acceptance
        self.accepted = self.judged = self.right = 0  #: rows; with a label by their folder; right


class Survey:
    """The figures of the rows that were added. Lists are in the order of labels or codes."""

    def __init__(self, card: Card, shown: Acceptance | None = None) -> None:
        """`shown` is what the table accepts; None: every label."""
        self.card, self.labels = card, card.labels
        self.rows = 0
        self.statuses = [0] * len(BY_CODE)
        self.flags = [0] * len(FLAGS)
        self.counts = array("Q", bytes(8 * len(card.labels)))  #: rows of each predicted label
        self.doubtful = array("Q", bytes(8 * len(card.labels)))  #: those `doubtless` refuses
        self.confidence_sums = array("d", bytes(8 * len(card.labels)))  #: by predicted label
        self.bins = [0] * BINS  #: rows by confidence
        self.wrong_bins = [0] * BINS  #: those whose folder states another label
        self.judged = self.right = 0  #: rows whose folder states a label; the same one
        self.judged_by_folder = array("Q", bytes(8 * len(card.labels)))
        self.judged_by_label = array("Q", bytes(8 * len(card.labels)))
        self.right_by_label = array("Q", bytes(8 * len(card.labels)))
        self.confirmed = self.corrected = 0  #: rows that a person gave the same label, or another
        self.accepted = 0  #: rows whose label the table displays
        self.pairs = LabelPairs(len(card.labels))  #: folder's label, predicted label
        self.points = _points(card)
        self._doubtless, self._shown = doubtless(card), shown
        self._folders = FolderLabels(card.labels)

    @property
    def labelled(self) -> int:
        """Rows with a label."""
        return self.statuses[0]

    def add(self, batch: RowBatch) -> None:
        """Count the rows of one batch."""
        self.rows += len(batch)
        _count(self.statuses, batch.statuses)
        _count(self.flags, batch.flags)
        labels, values = batch.labels, batch.confidences
        chosen = [i for i, code in enumerate(batch.statuses) if not code]
        self._add_labels(labels, values, chosen)
        sure = batch.accepted_by(self._doubtless)
        _count(self.doubtful, (labels[i] for i in chosen if not sure[i]))
        if self._shown is not None:
            self.accepted += sum(batch.accepted_by(self._shown))
        for i, label in batch.given_labels.items():
            same = self.labels[labels[i]] == label
            self.confirmed, self.corrected = self.confirmed + same, self.corrected + (not same)
        truths = self._folders.of_rows(batch)
        self._add_truths(truths, labels, values, chosen)
        for point in self.points:
            accepted = batch.accepted_by(point.acceptance)
            point.accepted += sum(accepted)
            for i in chosen:
                if accepted[i] and truths[i] is not None:
                    point.judged += 1
                    point.right += truths[i] == labels[i]

    def _add_labels(
        self, labels: Sequence[int], values: Sequence[float], chosen: Sequence[int]
    ) -> None:
        _count(self.counts, (labels[i] for i in chosen))
        _count(self.bins, (bin_of(values[i]) for i in chosen))
        for i in chosen:
            self.confidence_sums[labels[i]] += values[i]

    def _add_truths(
        self,
        truths: Sequence[int | None],
        labels: Sequence[int],
        values: Sequence[float],
        chosen: Sequence[int],
    ) -> None:
        pairs = Counter((truths[i], labels[i]) for i in chosen)
        for (truth, label), count in pairs.items():
            if truth is None:
                continue
            self.judged += count
            self.right += count * (truth == label)
            self.judged_by_folder[truth] += count
            self.judged_by_label[label] += count
            self.right_by_label[label] += count * (truth == label)
            self.pairs.add(truth, label, count)
        _count(
            self.wrong_bins,
            (bin_of(values[i]) for i in chosen if truths[i] not in (None, labels[i])),
        )


def bin_of(confidence: float) -> int:
    """The bin of the histogram."""
    return min(max(int(confidence * BINS), 0), BINS - 1)


def _count(counts: list[int] | array[int], codes: Iterable[int]) -> None:
    for code, number in Counter(codes).items():
        counts[code] += number


def _points(card: Card) -> list[Point]:
    points = []
    for point in card.operating_points:
        try:
            acceptance = at_precision(card, point.precision)
        except UsageError:  # it accepts nothing
            continue
        points.append(Point(point.precision, point.threshold, acceptance))
    return points
