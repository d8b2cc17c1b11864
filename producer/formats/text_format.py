"""What the forms that are text have in common: a line for each row (docs/table.md).

Lines are put together column by column: a column of one text costs nothing for each row.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from operator import add, mul
from pathlib import Path

from producer.formats.cells import Cell
from producer.formats.format import Format, Unreadable
from producer.output.csv_cells import escape, plain_names
from producer.rows.columns import Column, Names, Table, Words
from producer.rows.decide import marked
from producer.rows.row_batch import RowBatch

#: The cells of a column; one text if they are all the same.
Cells = Sequence[str] | str
#: The byte of a float32 with its sign, and that byte of every one from 0 up to 2.
_SIGN = 3 if sys.byteorder == "little" else 0
_FROM_0_TO_2 = bytes(range(0x40))
_DIGITS, _UNIT = 4, 1e4  #: of probabilities; the unit of the last decimal
#: A double of this size has no fraction: adding it rounds to whole units, ties to even.
_ROUNDS = 1.5 * 2.0**52


class TextFormat(Format):
    """UTF-8 without a byte order mark. A form says how its cells look, and what is between them."""

    empty = ""  #: a cell without a value
    line_end = "\n"

    @abstractmethod
    def before(self, name: str, is_first: bool) -> str:
        """What separates the cells of a column from what precedes them."""

    @abstractmethod
    def cell(self, text: str) -> str:
        """A cell of text, which has no control character."""

    def number(self, decimals: str) -> str:
        """A cell of a number."""
        return decimals

    def plain(self, names: list[str]) -> list[str]:
        """Names as cells, none of which needs escaping or quoting."""
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
    ) -> Sequence[Cells]:
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


def _merged(columns: Sequence[Cells]) -> list[Cells]:
    """The same text with as few columns as possible: neighbours of one text each are one."""
    merged: list[Cells] = []
    for cells in columns:
        if cells == "":
            continue
        if isinstance(cells, str) and merged and isinstance(merged[-1], str):
            merged[-1] += cells
        else:
            merged.append(cells)
    return merged


def _texts(words: Sequence[str], codes: Sequence[int]) -> Cells:
    if isinstance(codes, bytes) and codes.count(codes[0]) == len(codes):
        return words[codes[0]]
    return list(map(words.__getitem__, codes))


class _Decimals(dict[float, str]):
    """Cells of numbers with four decimals, by the number of units plus `_ROUNDS`.

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
