"""Tables of text that fit a terminal: columns are left out or shortened, never wrapped.

In a pipe nothing is left out: it has no width.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from producer.present.style import Keep, columns_of, dim, shortened, width

GAP = "  "  #: between columns
#: An unknown value. On a terminal a column of nothing else is left out, if it may be.
NONE = "-"


def _plain(text: str) -> str:
    return text


class Column(NamedTuple):
    """One column of a table."""

    head: str
    left: bool = True  #: aligned to the left
    least: int = 0  #: may be shortened to this width; 0: never
    drop: int = 0  #: the highest number is left out first where there is no room; 0: never
    keep: Keep = Keep.START  #: what remains of a cell that is shortened
    style: Callable[[str], str] = _plain  #: colours a cell by its text


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None) -> list[str]:
    """The heading and one line for each row, at most `room` columns wide where that is possible."""
    sizes = [
        max(width(text) for text in (column.head, *(row[i] for row in rows)))
        for i, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if room is not None:
        filled = [i for i, c in enumerate(columns) if not c.drop or any(r[i] != NONE for r in rows)]
        shown = _shown(columns, sizes, filled, room)
        _shorten(columns, sizes, shown, room)
    heads = [column._replace(style=dim) for column in columns]
    return [
        _line([(kind[i], row[i], sizes[i]) for i in shown])
        for kind, row in [(heads, [c.head for c in columns]), *((columns, row) for row in rows)]
    ]


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The table for standard output."""
    return table(columns, rows, columns_of(sys.stdout))


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[str]) -> list[str]:
    """A table that is never shortened; the columns in `left` are aligned to the left."""
    return table([Column(text, text in left) for text in head], rows, None)


def _shown(
    columns: Sequence[Column], sizes: Sequence[int], filled: list[int], room: int
) -> list[int]:
    """The columns of `filled` that remain, so that the table fits with all at their least width."""
    shown = list(filled)
    least = [min(size, c.least or size) for c, size in zip(columns, sizes, strict=True)]
    while _total(least, shown) > room:
        droppable = [i for i in shown if columns[i].drop]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda i: (columns[i].drop, i)))
    return shown


def _shorten(columns: Sequence[Column], sizes: list[int], shown: list[int], room: int) -> None:
    """Take from the widest column that may be shortened, until the table fits."""
    while (excess := _total(sizes, shown) - room) > 0:
        flexible = [i for i in shown if columns[i].least and sizes[i] > columns[i].least]
        if not flexible:
            return
        widest = max(flexible, key=lambda i: sizes[i])
        others = [sizes[i] for i in flexible if i != widest]
        goal = max(columns[widest].least, sizes[widest] - excess, max(others, default=0) - 1)
        sizes[widest] = min(goal, sizes[widest] - 1)


def _total(sizes: Sequence[int], shown: Sequence[int]) -> int:
    return sum(sizes[i] for i in shown) + len(GAP) * (len(shown) - 1)


def _line(cells: Sequence[tuple[Column, str, int]]) -> str:
    parts = []
    for column, text, size in cells:
        short = shortened(text, size, column.keep)
        gap, styled = " " * (size - width(short)), column.style(short) if short else ""
        parts.append(styled + gap if column.left else gap + styled)
    # Without spaces at the end: the last filled cell may have colour codes after its text.
    while len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    return GAP.join(parts).rstrip()
