"""The forms that are text: a line for each row (docs/table.md).

Lines are put together column by column: a column of one text costs nothing for each row.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress, repeat
from operator import add, mul
from pathlib import Path

import msgspec

from producer.job.columns import Column, Names, Table, Words
from producer.job.row_batch import RowBatch, marked
from producer.table.csv_cells import escape, plain_names
from producer.table.table_formats import Cell, Format, Unreadable

#: The byte of a float32 with its sign, and that byte of every one from 0 up to 2.
_SIGN = 3 if sys.byteorder == "little" else 0
_FROM_0_TO_2 = bytes(range(0x40))
_DIGITS, _UNIT = 4, 1e4  #: of probabilities; the unit of the last decimal
#: A double of this size has no fraction: adding it rounds to whole units, ties to even.
_ROUNDS = 1.5 * 2.0**52
_QUOTED = re.compile(r'[",\r\n]')
_CELLS = (str, float, int, type(None))
_BEGIN, _END, _BETWEEN = "[\n", "]\n", ",\n"


def heads(columns: Sequence[Column]) -> list[str]:
    """The names of columns."""
    return [escape(column.name.encode()) for column in columns]


def texts(column: Words) -> list[str | None]:
    """What each code of a column stands for."""
    return [escape(word.encode()) if word else None for word in column.words]


class Cells:
    """The cells of a table with these columns as values, for forms that are not text. Texts are
    escaped as in CSV, since a spreadsheet may open any form."""

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


#: The cells of a column; one text if they are all the same.
ColumnTexts = Sequence[str] | str


class TextFormat(Format):
    """UTF-8 without a byte order mark. A form says how its cells look, and what is between them."""

    empty = ""  #: a cell without a value
    line_end = "\n"

    @abstractmethod
    def before(self, name: str, is_first: bool) -> str:
        """The text before each cell of a column: CSV `,`; JSON Lines `,"label":`."""

    @abstractmethod
    def cell(self, text: str) -> str:
        """A cell of text, which has no control character."""

    def number(self, decimals: str) -> str:
        """A cell of a number."""
        return decimals

    def plain(self, names: list[str]) -> list[str]:
        """Names without commas, quotes, backslashes and control characters, as cells. A form that
        escapes anything else overrides this."""
        return names

    def header(self, columns: Sequence[Column]) -> str:
        """The first line; empty if the form has none."""
        return ""

    def begin(self, table: Table) -> None:
        self._columns = table.columns
        self._before = [
            self.before(column.name, at == 0) for at, column in enumerate(table.columns)
        ]
        self._words = [
            [before + self._word(word) for word in column.words]
            if isinstance(column, Words)
            else []
            for before, column in zip(self._before, table.columns, strict=True)
        ]
        self._decimals = _Decimals(self.number)
        self._sink.write(self.header(table.columns).encode())

    def write(self, batch: RowBatch) -> None:
        self._sink.write(self.lines(batch).encode())

    def end(self) -> None:
        """Every line is complete."""

    def lines(self, batch: RowBatch) -> str:
        """The lines of a batch."""
        cells = map(self._cells, repeat(batch), self._columns, self._before, self._words)
        pieces = _merged([*chain.from_iterable(cells), self.line_end])
        texts = [""] * (len(batch) * len(pieces))
        for at, piece in enumerate(pieces):
            texts[at :: len(pieces)] = [piece] * len(batch) if isinstance(piece, str) else piece
        return "".join(texts)

    def _cells(
        self, batch: RowBatch, column: Column, before: str, words: Sequence[str]
    ) -> Sequence[ColumnTexts]:
        """The cells of a column, and what is before them."""
        if isinstance(column, Words):
            return (_texts(words, column.codes(batch)),)
        if isinstance(column, Names):
            return before, self._names(batch)
        numbers = self._decimals.texts(column.values(batch), column.digits)
        for i in marked(batch.statuses):
            numbers[i] = self.empty
        return before, numbers

    def _names(self, batch: RowBatch) -> list[str]:
        plain = plain_names(batch.joined_names)
        if plain is not None:
            return self.plain(plain)
        return [self.cell(escape(name)) for name in batch.names]

    def _word(self, word: str) -> str:
        return self.cell(escape(word.encode())) if word else self.empty

    @classmethod
    def read(cls, path: Path) -> Iterator[Sequence[Cell]]:
        # A table that was changed may have any bytes; each is shown in its row.
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            try:
                yield from cls.parsed(file)
            except (ValueError, RecursionError) as error:
                raise Unreadable(str(error)) from error

    @staticmethod
    @abstractmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        """The cells of lines, as `read` returns them. Raises ValueError."""


def _merged(columns: Sequence[ColumnTexts]) -> list[ColumnTexts]:
    """The same text with as few columns as possible: neighbours of one text each are one."""
    merged: list[ColumnTexts] = []
    for cells in columns:
        if cells == "":
            continue
        if isinstance(cells, str) and merged and isinstance(merged[-1], str):
            merged[-1] += cells
        else:
            merged.append(cells)
    return merged


def _texts(words: Sequence[str], codes: Sequence[int]) -> ColumnTexts:
    if isinstance(codes, bytes) and codes.count(codes[0]) == len(codes):
        return words[codes[0]]
    return list(map(words.__getitem__, codes))


class _Decimals(dict[float, str]):
    """Texts of numbers with four decimals, by the number of units plus `_ROUNDS`.

    A float32 times 10,000 is exact as a double, so the text is that of the number itself. There are
    at most 20,001.
    """

    def __init__(self, number: Callable[[str], str]) -> None:
        self._number = number

    def __missing__(self, units: float) -> str:
        self[units] = self._text((units - _ROUNDS) / _UNIT)
        return self[units]

    def texts(self, values: array[float], digits: int) -> list[str]:
        """The cells of float32 numbers. Those of probabilities are looked up, which is faster."""
        if digits != _DIGITS:
            return [self._number(f"{value:.{digits}f}") for value in values]
        signs_and_exponents = values.tobytes()[_SIGN::4]
        if signs_and_exponents.translate(None, _FROM_0_TO_2):
            return list(map(self._text, values))
        units = map(
            add, map(mul, values, repeat(_UNIT)), repeat(_ROUNDS)
        )  # as `__missing__` takes them
        return list(map(self.__getitem__, units))

    def _text(self, value: float) -> str:
        return self._number(f"{value:.{_DIGITS}f}")


class Csv(TextFormat):
    """The form of a table whose name says nothing else. A cell is in quotes only if needed."""

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


class Tsv(TextFormat):
    """Cells with tabs between them, without quotes: no cell has a tab or a line end."""

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


class JsonLines(TextFormat):
    """Each line is a document of its own: an object with numbers where CSV has decimals, and null
    for an empty cell."""

    empty = "null"
    line_end = "}\n"

    def before(self, name: str, is_first: bool) -> str:
        return f"{'{' if is_first else ','}{self._word(name)}:"

    def cell(self, text: str) -> str:
        return msgspec.json.encode(text).decode()

    def number(self, decimals: str) -> str:
        number = float(decimals) if "." in decimals else int(decimals)
        return msgspec.json.encode(number).decode()

    def plain(self, names: list[str]) -> list[str]:
        return [f'"{name}"' for name in names]

    @staticmethod
    def parsed(lines: Iterator[str]) -> Iterator[Sequence[Cell]]:
        yield from cells_of(map(json.loads, lines))


def cells_of(objects: Iterator[object]) -> Iterator[Sequence[Cell]]:
    """The names of the first object's members, then the cells of each. Raises ValueError."""
    names: list[str] = []
    for row in objects:
        if not isinstance(row, dict):
            raise ValueError("a row is no object")
        if not names:
            names = list(row)
            yield names
        if list(row) != names:
            raise ValueError(f"a row has the members {','.join(row)}, not {','.join(names)}")
        if not all(type(cell) in _CELLS for cell in row.values()):
            raise ValueError("a row has a cell that is neither text nor a number")
        yield list(row.values())


class Json(JsonLines):
    """One array of the objects that JSON Lines has, each in a line of its own."""

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
