"""The sheet with the summary of a spreadsheet: the results, counted while rows are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from producer.output.csv_cells import escape
from producer.rows.columns import Table
from producer.rows.decide import Decision
from producer.rows.row_batch import RowBatch
from producer.summary.answer_counter import AnswerCounter
from shared.image_status import FLAGS

#: The heads of the columns with labels.
LABELS = ("label of the model", "images", "share", "doubtful")
#: The column with shares of all images.
SHARE = LABELS.index("share")
Line = Sequence[str | float]


class SheetCounts:
    """Counts the rows of a table."""

    def __init__(self, table: Table) -> None:
        self._table, self._answers = table, AnswerCounter(table.card)
        self._decisions, self._flags = Counter[int](), Counter[int]()

    def add(self, batch: RowBatch) -> None:
        """Count one batch."""
        self._answers.add(batch)
        self._decisions.update(batch.decisions)
        self._flags.update(batch.flags)

    def lines(self) -> Iterator[Line]:
        """The rows of the sheet."""
        answers, rows = self._answers.counted(), sum(self._decisions.values())
        yield "job", self._table.job.id
        yield "model", escape(self._table.card.ref.encode())
        yield "images", rows
        for name, count in self._counted():
            yield name, count, count / max(rows, 1)
        doubtful = sum(answers.doubtful.values())
        yield "doubtful", doubtful, doubtful / max(rows, 1)
        for status, failures in answers.failures.items():
            yield status, failures.count, failures.count / rows
        yield ()
        yield LABELS
        for label, count in answers.labels.items():
            yield escape(label.encode()), count, count / rows, answers.doubtful.get(label, 0)

    def _counted(self) -> Iterator[tuple[str, int]]:
        """What a threshold, people and detectors decided."""
        if self._table.rules.acceptance is not None:
            yield "accepted", self._decisions[Decision.ACCEPTED]
        if self._table.rules.given_labels is not None:
            yield "labels of people", self._decisions[Decision.PERSON]
        for code, flag in enumerate(FLAGS):
            if flag and self._flags[code]:
                yield flag, self._flags[code]
