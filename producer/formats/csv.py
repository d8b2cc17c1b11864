"""CSV: a cell in quotes only where it needs them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from producer.formats.cells import Cell, heads
from producer.formats.text_format import TextFormat
from producer.rows.columns import Column

_QUOTED = re.compile(r'[",\r\n]')


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


def quote(cell: str) -> str:
    """A cell, quoted only if needed."""
    if _QUOTED.search(cell) is None:
        return cell
    return '"' + cell.replace('"', '""') + '"'
