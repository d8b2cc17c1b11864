"""Rows of text in columns, whole even where nobody watches: a pipe has no width."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_GAP = "  "


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[str]) -> list[str]:
    """The heading and one line per row; the columns named in `left` begin at the left."""
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [_line(head, row, widths, left) for row in table]


def _line(
    head: Sequence[str], row: Sequence[str], widths: Sequence[int], left: Collection[str]
) -> str:
    cells = zip(head, row, widths, strict=True)
    return _GAP.join(
        cell.ljust(width) if name in left else cell.rjust(width) for name, cell, width in cells
    ).rstrip()
