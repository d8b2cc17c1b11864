"""Rows as CSV: UTF-8, one line each, a cell in quotes only where it needs them."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from itertools import repeat
from operator import add, mul

from producer.output.csv_cells import escape, quote
from producer.rows.batch import RowBatch
from producer.rows.columns import Column, Names, Words

#: The cells of a column with the separator before each; a text for all rows if they are the same.
Cells = Sequence[str] | str
#: Usually no name of a batch needs escaping or quoting, which few searches find out.
_ORDINARY = bytes(set(range(0x20, 0x7F)) - set(b'",\\')) + b"\0"
_STARTS = tuple(b"\0" + start for start in (b"=", b"+", b"-", b"@", b"'"))
#: The same of names that are not ASCII.
_SPECIAL = re.compile(r"""[",\\\x01-\x1f\x7f-\x9f]|(?:^|\0)[=+\-@']""")
#: The byte of a float32 with its sign; of every one from 0 up to 2.
_SIGN = 3 if sys.byteorder == "little" else 0
_FROM_0_TO_2 = bytes(range(0x40))
_UNIT = 1e4  #: of the last decimal
#: A double of this size has no fraction: adding it rounds to whole units, ties to even.
_ROUNDS = 1.5 * 2.0**52


class CsvRows:
    """Writes the rows of a table with these columns, the names first."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns, self._decimals = columns, _Decimals()
        self._words = [
            [f",{_cell(word)}" for word in column.words] if isinstance(column, Words) else []
            for column in columns
        ]

    @property
    def header(self) -> str:
        return ",".join(_cell(column.name) for column in self._columns) + "\n"

    def lines(self, batch: RowBatch) -> str:
        """The lines of a batch."""
        pieces = _joined([*map(self._cells, repeat(batch), self._columns, self._words), "\n"])
        texts = [""] * (len(batch) * len(pieces))
        for at, cells in enumerate(pieces):
            texts[at :: len(pieces)] = [cells] * len(batch) if isinstance(cells, str) else cells
        return "".join(texts)

    def _cells(self, batch: RowBatch, column: Column, words: Sequence[str]) -> Cells:
        if isinstance(column, Names):
            return names(batch)
        if isinstance(column, Words):
            return _texts(words, column.codes(batch))
        numbers = self._decimals.texts(column.values(batch))
        if not batch.failed:
            return numbers
        return ["," if code else text for text, code in zip(numbers, batch.statuses, strict=True)]


def names(batch: RowBatch) -> list[str]:
    """The names of a batch as cells."""
    joined = b"\0" + batch.joined_names
    if not joined.translate(None, _ORDINARY) and not any(start in joined for start in _STARTS):
        return batch.joined_names.decode().split("\0")
    try:
        text = batch.joined_names.decode()
    except UnicodeDecodeError:
        text = '"'
    if _SPECIAL.search(text) is None:
        return text.split("\0")
    return [quote(escape(name)) for name in batch.names]


def _joined(columns: Sequence[Cells]) -> list[Cells]:
    """The same text with as few columns as possible: neighbours of one text each are one."""
    found: list[Cells] = []
    for cells in columns:
        if isinstance(cells, str) and found and isinstance(found[-1], str):
            found[-1] += cells
        else:
            found.append(cells)
    return found


def _texts(words: Sequence[str], codes: Sequence[int]) -> Cells:
    if isinstance(codes, bytes) and codes.count(codes[0]) == len(codes):
        return words[codes[0]]
    return list(map(words.__getitem__, codes))


class _Decimals(dict[float, str]):
    """Cells of numbers with four decimals, by the number of units plus `_ROUNDS`.

    A float32 times 10,000 is exact as a double, so the text is that of the number itself.
    """

    def __missing__(self, units: float) -> str:
        self[units] = f",{(units - _ROUNDS) / _UNIT:.4f}"
        return self[units]

    def texts(self, values: array[float]) -> list[str]:
        """The cells of float32 numbers."""
        if values.tobytes()[_SIGN::4].translate(None, _FROM_0_TO_2):  # not only probabilities
            return [f",{value:.4f}" for value in values]
        units = map(add, map(mul, values, repeat(_UNIT)), repeat(_ROUNDS))
        return list(map(self.__getitem__, units))


def _cell(text: str) -> str:
    return quote(escape(text.encode()))
