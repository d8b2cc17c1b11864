"""The figures of a table, and the rows that a report displays of it: two passes over its journal,
in memory that does not grow with its rows.

Displayed are of each label the least confident rows, and some that are drawn by a hash of their
paths; of each pair of labels that is confused the most confident rows; flagged rows; failed rows.
The choice depends on the table alone.
"""

from __future__ import annotations

import heapq
import math
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter

from producer.job.acceptance import Acceptance, at_precision, doubtless
from producer.job.folder_labels import FolderLabels, LabelPairs
from producer.job.row_batch import Row, RowBatch, marked
from producer.pages.figures import Smallest
from shared.errors import UsageError
from shared.image_status import BY_CODE, FLAGS
from shared.messages.model_card import Card

#: Pictures of labels, of confused pairs, of flags: together they bound the size of a page.
LABEL_ROWS, PAIR_ROWS, FLAG_ROWS = 800, 300, 100
#: The most of one label, if not all rows are displayed; two thirds are the least confident.
MOST_OF_LABEL, LEAST_SHARE = 40, 2 / 3
MOST_OF_PAIR = 12
#: Failed rows with each status, without pictures.
FAILED_ROWS = 200
#: Labels of one row.
TOP_LABELS = 5
#: Parts of the confidences from 0 to 1, equally wide.
BINS = 50


class Choice:
    """Chooses among the rows that are added, once the figures of all rows are known."""

    def __init__(self, survey: Survey) -> None:
        sizes = _sizes(survey)
        share = 1 if survey.labelled <= LABEL_ROWS else LEAST_SHARE
        self.least = [Smallest[Row](math.ceil(size * share)) for size in sizes]
        self.drawn = [Smallest[Row](size - math.ceil(size * share)) for size in sizes]
        self.pairs = _pairs(survey)
        flags = max(1, sum(1 for count in survey.flags if count))
        self.flagged = [Smallest[Row](FLAG_ROWS // flags) for _ in FLAGS]
        self.failed: list[list[Row]] = [[] for _ in BY_CODE]
        #: The numbers of rows that do not have the model's label, as a person has said.
        self.excluded = set[int]()
        self._folders = FolderLabels(survey.labels)

    def add(self, batch: RowBatch) -> None:
        """Consider the rows of one batch."""
        self.excluded.update(batch.first + i for i in marked(batch.excluded))
        rows = zip(batch.statuses, batch.flags, batch.labels, batch.confidences, strict=True)
        for i, (status, flag, label, value) in enumerate(rows):
            if status:
                if len(self.failed[status]) < FAILED_ROWS:
                    self.failed[status].append(_row(batch, i))
                continue
            if value < self.least[label].bound:
                self.least[label].add(value, batch.first + i, _row(batch, i))
            drawn = self.drawn[label]
            if drawn.bound > 0:
                _draw(drawn, batch, i)
            if flag:
                _draw(self.flagged[flag], batch, i)
            pair = self.pairs.get((self._folders.label_of(batch.names[i]), label))
            if pair is not None and -value < pair.bound:
                pair.add(-value, batch.first + i, _row(batch, i))

    @property
    def pictured(self) -> list[Row]:
        """Every chosen row with a label, once, in the order of the table."""
        every = [*self.least, *self.drawn, *self.flagged, *self.pairs.values()]
        rows = {row.number: row for some in every for row in some.items}
        return [rows[number] for number in sorted(rows)]


def _row(batch: RowBatch, i: int) -> Row:
    return batch.row(i, TOP_LABELS)


def _draw(some: Smallest[Row], batch: RowBatch, i: int) -> None:
    key = zlib.crc32(batch.names[i])
    if key < some.bound:
        some.add(key, batch.first + i, _row(batch, i))


def _sizes(survey: Survey) -> list[int]:
    """The number of rows of each label: all of a small table, of a large one as many of each; of
    more labels than fit on a page, the most frequent ones only."""
    if survey.labelled <= LABEL_ROWS:
        return list(survey.counts)
    most = heapq.nlargest(LABEL_ROWS, ((n, -i) for i, n in enumerate(survey.counts) if n))
    each = min(MOST_OF_LABEL, LABEL_ROWS // len(most))
    sizes = [0] * len(survey.counts)
    for _, i in most:
        sizes[-i] = each
    return sizes


def _pairs(survey: Survey) -> dict[tuple[int | None, int], Smallest[Row]]:
    """A choice for each of the most frequent pairs (folder's label, predicted one) that differ."""
    # Of pairs with as many rows the first ones.
    most = heapq.nlargest(PAIR_ROWS, survey.pairs.different(), key=itemgetter(1))
    each = max(1, min(MOST_OF_PAIR, PAIR_ROWS // max(1, len(most))))
    return {pair: Smallest[Row](each) for pair, _ in most}


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
