"""CSV: a cell in quotes only where it needs them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from producer.formats.cells import Cell, heads
from producer.formats.text_format import TextFormat
from producer.output.csv_cells import quote
from producer.rows.columns import Column


class Csv(TextFormat):
    """The form of a table whose name says nothing else."""

    def header(self, columns: Sequence[Column]) -> str:
        return ",".join(map(quote, heads(columns))) + "\n"

    def before(self, name: str, is_first: bool) -> str:
        return "" if is_first else ","

    def cell(self, text: str) -> str:
        return quote(text)

    @staticmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        try:
            yield from csv.reader(lines, strict=True)
        except csv.Error as error:
            raise ValueError(str(error)) from error
