"""Counts the results of a job while its table is written: memory is bounded by the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from operator import eq

from producer.journal.batch_reader import BatchReader
from producer.journal.totals import AcceptedShare, AnswerCounts, Failures
from producer.output.csv_cells import escape
from producer.rendering.display_options import DisplayOptions, Threshold, acceptance
from producer.rows.acceptance import doubtless, doubtless_point
from producer.rows.columns import Table
from producer.rows.folder_labels import FolderLabels
from producer.rows.row_batch import RowBatch
from shared.image_status import BY_CODE, Status
from shared.messages.model_card import Card


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
