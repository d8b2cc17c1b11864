"""What people said about the images of two tables, with `hangtag review`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from producer.compare.paired_rows import Row
from producer.rendering.person_labels import PersonLabels, labels_now
from producer.verify.sealed_journal import SealedJournal
from shared.labels.correction import Content


class PeopleSaid:
    """The decisions beside both tables; none of a table without any."""

    def __init__(self, tables: Sequence[PersonLabels | None]) -> None:
        self._tables = tables
        self.labels = {label for one in tables if one is not None for label in one.labels}

    def of(self, a: Row, b: Row) -> str | None:
        """The label that people gave to a pair of rows; None if they gave none, or two."""
        given = {
            table.label(row.number, Content(row.stamp[0], row.digest))
            for table, row in zip(self._tables, (a, b), strict=False)
            if table is not None
        } - {None}
        return given.pop() if len(given) == 1 else None


def of_tables(a: SealedJournal, b: SealedJournal) -> PeopleSaid:
    """The decisions as of now. Raises SetupError if a log is damaged."""
    return PeopleSaid([labels_now(Path(one.options.output), one.card.labels) for one in (a, b)])
