"""Compares a table with its journal: byte for byte, and if it differs, row by row."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from producer.job.sealed_journal import SealedJournal
from producer.present.formatting import one_line, typed
from producer.table.display_options import table_of
from producer.table.table_file import PLACING, render, sha256_of
from producer.table.table_formats import Cell, Format, Sink, Unreadable, loaded, row_of
from producer.table.text_format import Cells, heads

E = TypeVar("E")
F = TypeVar("F")
#: A longer run of entries in only one stream is reported as unmatched entries of both; the streams
#: differ either way.
AHEAD = 2_048
_CELL_CHARS = 80


def align(
    expected: Iterator[E],
    actual: Iterator[F],
    key: Callable[[E], object],
    key_found: Callable[[F], object],
) -> Iterator[tuple[E | None, F | None]]:
    """Pairs with equal keys, in order; None for the stream that lacks an entry. They need no order:
    rows of a damaged table may have any."""
    left: deque[E] = deque(islice(expected, AHEAD))
    right: deque[F] = deque(islice(actual, AHEAD))
    while left and right:
        if key(left[0]) == key_found(right[0]):
            yield left.popleft(), right.popleft()
        else:
            more = _position(right, key_found, key(left[0]))
            less = _position(left, key, key_found(right[0]))
            if more and (not less or more <= less):
                yield from ((None, right.popleft()) for _ in range(more))
            elif less:
                yield from ((left.popleft(), None) for _ in range(less))
            else:
                yield left.popleft(), None
                yield None, right.popleft()
        left.extend(islice(expected, AHEAD - len(left)))
        right.extend(islice(actual, AHEAD - len(right)))
    for entry in left:
        yield entry, None
    yield from ((entry, None) for entry in expected)
    for other in right:
        yield None, other
    yield from ((None, other) for other in actual)


def _position(queue: deque[F], key: Callable[[F], object], wanted: object) -> int:
    """The index of `wanted`; 0 if it is not after the first entry."""
    return next((i for i, entry in enumerate(queue) if i and key(entry) == wanted), 0)


NumberedCells = tuple[int, list[str]]  # of a row: its number, 0 for the header, and its cells


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
    # Another version of a library writes other bytes.
    same = sha256_of(output) == (sha256 if is_text else sealed.sha256)
    if same and (is_text or sha256 == sealed.sha256):
        return
    differs = False
    for problem in _rows(output, sealed):
        differs = True
        yield problem
    if not differs and not same:
        what = ": line ends, quotes or encoding" if is_text else ""
        yield f"{output}: its rows are right, but its bytes differ{what}"


def _rows(output: Path, sealed: SealedJournal) -> Iterator[str]:
    form, table = loaded(sealed.options.form), table_of(sealed)
    columns = heads(table.columns)
    expected, actual = _expected(form, sealed), _found(form, output)
    try:
        for should, is_ in align(expected, actual, lambda cells: cells[0], _path):
            yield from _problems(columns, should, is_)
    except Unreadable as error:
        yield f"{output}: its remaining rows cannot be parsed ({one_line(str(error))})"


def _expected(form: type[Format], sealed: SealedJournal) -> Iterator[list[str]]:
    table = table_of(sealed)
    yield heads(table.columns)
    cells = Cells(table.columns)
    for batch in sealed.row_batches(table.rules):
        yield from (_texts(form, row) for row in cells.rows(batch))


def _found(form: type[Format], output: Path) -> Iterator[NumberedCells]:
    yield from enumerate(_texts(form, row) for row in form.read(output))


def _texts(form: type[Format], row: Sequence[Cell]) -> list[str]:
    return list(map(form.text, row))


def _path(row: NumberedCells) -> str | None:
    return row[1][0] if row[1] else None


def _problems(
    columns: list[str], should: list[str] | None, is_: NumberedCells | None
) -> Iterator[str]:
    if is_ is None:
        assert should is not None
        yield f"{_display_cell(should[0])}: its row is missing, or in the wrong place"
    elif should is None:
        number, cells = is_
        yield f"{_place_of(number, cells[0] if cells else '')}: does not belong there"
    elif should != is_[1]:
        yield _difference(columns, should, *is_)


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
