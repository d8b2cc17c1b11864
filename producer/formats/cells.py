"""The cells of rows as values, for forms that are not text. Texts are escaped as in CSV
(docs/table.md), since a spreadsheet may open any form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, repeat

from producer.output.csv_cells import escape, plain_names
from producer.rows.columns import Column, Names, Words
from producer.rows.row_batch import RowBatch

#: None: it is empty.
Cell = str | float | None


def heads(columns: Sequence[Column]) -> list[str]:
    """The names of columns."""
    return [escape(column.name.encode()) for column in columns]


def texts(column: Words) -> list[str | None]:
    """What each code of a column stands for."""
    return [escape(word.encode()) if word else None for word in column.words]


class Cells:
    """The cells of a table with these columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._texts = [texts(column) if isinstance(column, Words) else [] for column in columns]

    def rows(self, batch: RowBatch) -> Iterator[tuple[Cell, ...]]:
        """The rows of a batch."""
        return zip(*map(self._cells, repeat(batch), self._columns, self._texts), strict=True)

    def _cells(
        self, batch: RowBatch, column: Column, known: Sequence[str | None]
    ) -> Sequence[Cell]:
        if isinstance(column, Names):
            return names(batch)
        if isinstance(column, Words):
            return list(map(known.__getitem__, column.codes(batch)))
        values: list[Cell] = list(column.values(batch))
        for i in compress(range(len(batch)), batch.statuses):
            values[i] = None
        return values


def names(batch: RowBatch) -> list[str]:
    """The names of a batch."""
    plain = plain_names(batch.joined_names)
    return [escape(name) for name in batch.names] if plain is None else plain
