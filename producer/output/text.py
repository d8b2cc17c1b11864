"""How figures and foreign text are shown to people: short, and in one line."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Sequence

import click
import msgspec

_UNITS = ("B", "kB", "MB", "GB")
_GAP = "  "  #: between columns


def size(count: int | None) -> str:
    """`3.4 MB`; `-` where it is not known."""
    if count is None:
        return "-"
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"


def mib(count: int) -> str:
    """`16 MiB`, `1.5 MiB`: a limit that is a power of two."""
    return f"{count / (1 << 20):.3g} MiB"


def share(value: float | None, digits: int = 4) -> str:
    """A fraction with so many decimals; `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def moment(text: str) -> str:
    """`2026-11-24 19:20` of a time in ISO 8601."""
    return one_line(text).replace("T", " ")[:16]


def duration(seconds: float) -> str:
    """`12 s`, `3:05 min`, `1:02:03 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def one_line(text: str) -> str:
    """What somebody else wrote, without anything that a terminal would obey."""
    kept = " ".join(text.split())
    return kept if kept.isprintable() else ascii(kept)[1:-1]


def typed(arguments: Sequence[str]) -> str:
    """A command as a shell takes it, whatever bytes its arguments have, and as a terminal shows
    it without obeying."""
    return " ".join(shlex.quote(a) if a.isprintable() else _dollar_quoted(a) for a in arguments)


def _dollar_quoted(argument: str) -> str:
    plain = (
        chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}"
        for b in os.fsencode(argument)
    )
    return f"$'{''.join(plain)}'"


def counted(number: int, noun: str) -> str:
    """`1 image`, `2,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(msgspec.json.encode(value).decode())


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[str]) -> list[str]:
    """The heading and one line per row; the columns named in `left` begin at the left.

    No line is cut at the width of a terminal: a pipe has none.
    """
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
