"""Compares a table with its journal: byte for byte, and if it differs, row by row."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from producer.job.sealed_journal import SealedJournal
from producer.present.formatting import one_line, typed
from producer.table.display_options import table_of
from producer.table.table_file import PLACING, render, sha256_of
from producer.table.table_formats import Cell, Format, Sink, Unreadable, loaded, row_of
from producer.table.text_format import Cells, heads

#: A longer run of entries in only one stream is reported as unmatched entries of both; the streams
#: differ either way.
AHEAD = 2_048
_CELL_CHARS = 80


NumberedCells = tuple[int, list[str]]  # of a row: its number, 0 for the header, and its cells


def _aligned(
    expected: Iterator[NumberedCells], actual: Iterator[NumberedCells]
) -> Iterator[tuple[NumberedCells | None, NumberedCells | None]]:
    """Pairs with equal paths, in order; None for the stream that lacks a row. They need no order:
    rows of a damaged table may have any."""
    left, right = deque(islice(expected, AHEAD)), deque(islice(actual, AHEAD))
    while left and right:
        if _path(left[0]) == _path(right[0]):
            yield left.popleft(), right.popleft()
        else:
            more, less = _position(right, _path(left[0])), _position(left, _path(right[0]))
            if more and (not less or more <= less):
                yield from ((None, right.popleft()) for _ in range(more))
            elif less:
                yield from ((left.popleft(), None) for _ in range(less))
            else:
                yield left.popleft(), None
                yield None, right.popleft()
        left.extend(islice(expected, AHEAD - len(left)))
        right.extend(islice(actual, AHEAD - len(right)))
    yield from ((row, None) for row in chain(left, expected))
    yield from ((None, row) for row in chain(right, actual))


def _position(rows: deque[NumberedCells], path: str | None) -> int:
    """The index of the row of a path; 0 if it is not after the first row."""
    return next((i for i, row in enumerate(rows) if i and _path(row) == path), 0)


def table_problems(output: Path, sealed: SealedJournal) -> Iterator[str]:
    """One line for each problem of the table. Raises OSError, SetupError."""
    if sealed.get(PLACING):
        again = typed(["hangtag", "table", str(output)])
        yield f"{output}: it was interrupted while it was replaced; write it again with: {again}"
        return
    is_text, rendered = row_of(sealed.options.form).is_text, Sink()
    render(sealed, table_of(sealed), sealed.options.form, rendered)
    sha256 = rendered.sha256.hexdigest()
    if sha256 != sealed.sha256 and is_text:
        yield f"{sealed.path}: its results differ from those that the table was written from"
    file = sha256_of(output)
    if file == sha256 == sealed.sha256:
        return
    differs = False
    for problem in _row_problems(output, sealed):
        differs = True
        yield problem
    # Another version of a library writes other bytes.
    if not differs and file != (sha256 if is_text else sealed.sha256):
        what = ": line ends, quotes or encoding" if is_text else ""
        yield f"{output}: its rows are right, but its bytes differ{what}"


def _row_problems(output: Path, sealed: SealedJournal) -> Iterator[str]:
    form, table = loaded(sealed.options.form), table_of(sealed)
    columns = heads(table.columns)
    cells = Cells(table.columns)
    rows = chain.from_iterable(map(cells.rows, sealed.row_batches(table.rules)))
    expected = _numbered(form, chain([columns], rows))
    try:
        for row, found in _aligned(expected, _numbered(form, form.read(output))):
            yield from _problems(columns, row, found)
    except Unreadable as error:
        yield f"{output}: its remaining rows cannot be parsed ({one_line(str(error))})"


def _numbered(form: type[Format], rows: Iterable[Sequence[Cell]]) -> Iterator[NumberedCells]:
    return enumerate(list(map(form.text, row)) for row in rows)


def _path(row: NumberedCells) -> str | None:
    return next(iter(row[1]), None)


def _problems(
    columns: list[str], row: NumberedCells | None, found: NumberedCells | None
) -> Iterator[str]:
    if found is None:
        assert row is not None
        yield f"{_display_cell(row[1][0])}: its row is missing, or in the wrong place"
    elif row is None:
        yield f"{_place_of(found[0], _path(found) or '')}: does not belong there"
    elif row[1] != found[1]:
        yield _difference(columns, row[1], *found)


def _difference(columns: list[str], should: list[str], number: int, cells: list[str]) -> str:
    where = _place_of(number, should[0])
    if len(cells) != len(should):
        return f"{where}: has {len(cells)} cells, not {len(should)}"
    column, wrong, right = next(
        triple for triple in zip(columns, cells, should, strict=True) if triple[1] != triple[2]
    )
    return f"{where}: {column} is {_display_cell(wrong)!r}, not {_display_cell(right)!r}"


def _place_of(number: int, path: str) -> str:
    """A row for display, with its number and its path. The first row is 1, the header is 0."""
    where = f"row {number}" if number else "header"
    return f"{where} ({_display_cell(path)})"


def _display_cell(text: str) -> str:
    """A cell for display: one short line without control characters."""
    line = one_line(text)
    return line if len(line) <= _CELL_CHARS else f"{line[:_CELL_CHARS]}..."
