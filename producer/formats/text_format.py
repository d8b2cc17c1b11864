"""What the forms that are text have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from producer.formats.cells import Cell
from producer.formats.format import Format, Unreadable
from producer.formats.text_rows import TextRows
from producer.rows.batch import RowBatch
from producer.rows.columns import Table


class TextFormat(Format):
    """UTF-8 without a byte order mark."""

    rows: type[TextRows]

    def begin(self, table: Table) -> None:
        self._rows = self.rows(table.columns)
        self._sink.write(self._rows.header.encode())

    def write(self, batch: RowBatch) -> None:
        self._sink.write(self._rows.lines(batch).encode())

    def end(self) -> None:
        """Every line is complete."""

    @classmethod
    def read(cls, path: Path) -> Iterator[Sequence[Cell]]:
        # A table that was changed may have any bytes; each is shown in its row.
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            try:
                yield from cls.parsed(file)
            except ValueError as error:
                raise Unreadable(str(error)) from error

    @staticmethod
    @abstractmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        """The cells of lines, as `read` returns them. Raises ValueError."""
