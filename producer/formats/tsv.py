"""TSV, without quotes: no cell has a tab or a line end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from producer.formats.cells import Cell, heads
from producer.formats.text_format import TextFormat
from producer.rows.columns import Column


class Tsv(TextFormat):
    """Cells with tabs between them."""

    def header(self, columns: Sequence[Column]) -> str:
        return "\t".join(heads(columns)) + "\n"

    def before(self, name: str, is_first: bool) -> str:
        return "" if is_first else "\t"

    def cell(self, text: str) -> str:
        return text

    @staticmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        for line in lines:
            yield line.removesuffix("\n").split("\t")
