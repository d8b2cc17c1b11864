"""The rows of a table that a report displays: all of a small one, some of a large one.

Of each label the least confident rows, and some that are drawn by a hash of their paths; of each
pair of labels that is confused the most confident rows; flagged rows; failed rows. The choice
depends on the table alone.
"""

from __future__ import annotations

import heapq
import math
import zlib
from operator import itemgetter

from producer.pages.smallest import Smallest
from producer.report.survey import Survey
from producer.rows.folder_labels import FolderLabels
from producer.rows.row_batch import Row, RowBatch, marked
from shared.image_status import BY_CODE, FLAGS

#: Pictures of labels, of confused pairs, of flags: together they bound the size of a page.
LABEL_ROWS, PAIR_ROWS, FLAG_ROWS = 800, 300, 100
#: The most of one label, if not all rows are displayed; two thirds are the least confident.
MOST_OF_LABEL, LEAST_SHARE = 40, 2 / 3
MOST_OF_PAIR = 12
#: Failed rows with each status, without pictures.
FAILED_ROWS = 200
#: Labels of one row.
TOP_LABELS = 5


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
            pair = self.pairs.get((self._folders.of(batch.names[i]), label))
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
