"""TSV, without quotes: no cell has a tab or a line end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from producer.formats.cells import Cell, heads
from producer.formats.text_format import TextFormat
from producer.formats.text_rows import TextRows
from producer.rows.columns import Column


class TsvRows(TextRows):
    """Lines of TSV."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self.header = "\t".join(heads(columns)) + "\n"

    def before(self, name: str, is_first: bool) -> str:
        return "" if is_first else "\t"

    def cell(self, text: str) -> str:
        return text


class Tsv(TextFormat):
    """Cells with tabs between them."""

    rows = TsvRows

    @staticmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        for line in lines:
            yield line.removesuffix("\n").split("\t")
