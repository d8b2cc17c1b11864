"""Compares a table with its journal: byte for byte, and if it differs, row by row."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from producer.output.csv_cells import escape
from producer.output.formatting import one_line, typed
from producer.rendering.table_file import PLACING, lines
from producer.verify.align import align
from producer.verify.sealed_journal import SealedJournal
from shared import regular_file

_READ_BYTES = 1 << 20
_CELL_CHARS = 80
NumberedCells = tuple[int, list[str]]  # its number in a spreadsheet, and its cells


def table_problems(output: Path, sealed: SealedJournal) -> Iterator[str]:
    """One line for each problem of the table. Raises OSError, SetupError."""
    if sealed.get(PLACING):
        again = typed(["hangtag", "table", str(output)])
        yield f"{output}: it was interrupted while it was replaced; write it again with: {again}"
        return
    same, sha256 = _same_bytes(output, sealed)
    if sha256 != sealed.sha256:
        yield f"{sealed.path}: its results differ from those that the table was written from"
    if same:
        return
    found = False
    for problem in _rows(output, sealed):
        found = True
        yield problem
    if not found:
        yield (f"{output}: its rows are right, but its bytes differ: line ends, quotes or encoding")


def _same_bytes(output: Path, sealed: SealedJournal) -> tuple[bool, str]:
    """Whether the file equals the journal's table, and the SHA-256 of the latter."""
    sha256, same = hashlib.sha256(), True
    with regular_file.open_file(output) as file:
        for text in lines(sealed, sealed.table):
            data = text.encode()
            sha256.update(data)
            same = same and file.read(len(data)) == data
        same = same and not file.read(1)
    return same, sha256.hexdigest()


def _rows(output: Path, sealed: SealedJournal) -> Iterator[str]:
    columns = [escape(column.name.encode()) for column in sealed.table.columns]
    with output.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        expected, found = _expected(sealed), _numbered(csv.reader(file, strict=True))
        try:
            for should, is_ in align(expected, found, lambda cells: cells[0], _path):
                yield from _problems(columns, should, is_)
        except csv.Error as error:
            yield f"{output}: its remaining rows cannot be parsed ({error})"


def _expected(sealed: SealedJournal) -> Iterator[list[str]]:
    for text in lines(sealed, sealed.table):
        yield from csv.reader(io.StringIO(text, newline=""))


def _numbered(reader: Iterator[list[str]]) -> Iterator[NumberedCells]:
    yield from enumerate(reader, 1)


def _path(row: NumberedCells) -> str | None:
    return row[1][0] if row[1] else None


def _problems(
    columns: list[str], should: list[str] | None, is_: NumberedCells | None
) -> Iterator[str]:
    if is_ is None:
        assert should is not None
        yield f"{display_cell(should[0])}: its row is missing, or in the wrong place"
    elif should is None:
        number, cells = is_
        yield f"row {number} ({display_cell(cells[0] if cells else '')}): does not belong there"
    elif should != is_[1]:
        yield _difference(columns, should, *is_)


def _difference(columns: list[str], should: list[str], number: int, cells: list[str]) -> str:
    where = f"row {number} ({display_cell(should[0])})"
    if len(cells) != len(should):
        return f"{where}: has {len(cells)} cells, not {len(should)}"
    column, wrong, right = next(
        triple for triple in zip(columns, cells, should, strict=True) if triple[1] != triple[2]
    )
    return f"{where}: {column} is {display_cell(wrong)!r}, not {display_cell(right)!r}"


def display_cell(text: str) -> str:
    """A cell for display: one short line without control characters."""
    line = one_line(text)
    return line if len(line) <= _CELL_CHARS else f"{line[:_CELL_CHARS]}..."
