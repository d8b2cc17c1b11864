"""JSON: one array of the objects that JSON Lines has, each in a line of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from producer.formats.cells import Cell
from producer.formats.jsonl import JsonLines, cells_of
from producer.rows.columns import Table
from producer.rows.row_batch import RowBatch

_BEGIN, _END, _BETWEEN = "[\n", "]\n", ",\n"


class Json(JsonLines):
    """A document that is read as a whole."""

    line_end = "}" + _BETWEEN

    def begin(self, table: Table) -> None:
        super().begin(table)
        self._separator = _BEGIN

    def write(self, batch: RowBatch) -> None:
        lines = self.lines(batch).removesuffix(_BETWEEN)
        self._sink.write((self._separator + lines).encode())
        self._separator = _BETWEEN

    def end(self) -> None:
        is_empty = self._separator == _BEGIN
        self._sink.write(((_BEGIN if is_empty else "\n") + _END).encode())

    @staticmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        if next(lines, "") != _BEGIN:
            raise ValueError("it does not start with [ in a line of its own")
        yield from cells_of(_elements(lines))
        if next(lines, ""):
            raise ValueError("it has more lines after ]")


def _elements(lines: Iterator[str]) -> Iterator[object]:
    for line in lines:
        if line == _END:
            return
        yield json.loads(line.removesuffix("\n").removesuffix(","))
    raise ValueError("it does not end with ] in a line of its own")
