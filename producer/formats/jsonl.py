"""JSON Lines: an object for each row, with numbers where CSV has decimals, and null for an empty
cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from producer.formats.cells import Cell
from producer.formats.text_format import TextFormat

_CELLS = (str, float, int, type(None))


class JsonLines(TextFormat):
    """Each line is a document of its own."""

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
