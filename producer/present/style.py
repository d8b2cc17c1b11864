"""Colours with a meaning, the columns that a text takes, tables that fit a terminal, and the parts
of summaries.

Green is good, yellow doubtful, red failed; names are bold, paths and explanations dim. click
removes the codes where a stream is no terminal; `colour_wanted` overrides that for a command.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import NamedTuple, TextIO

import click

from producer.present.formatting import one_line

good = partial(click.style, fg="green")
doubtful = partial(click.style, fg="yellow")
failed = partial(click.style, fg="red")
name = partial(click.style, bold=True)
dim = partial(click.style, dim=True)

#: Terminals that cannot move the cursor back or display colours.
DUMB = ("dumb", "unknown")
ELLIPSIS = "…"
_COLOURED, _RESET = re.compile(r"(\x1b\[[0-9;]*m)(.*?)\x1b\[0m(.*)"), "\x1b[0m"
_WIDE = ("W", "F")  #: categories of East Asian characters that take two columns
GAP = "  "  #: between columns
#: An unknown value. On a terminal a column of nothing else is left out, if it may be.
NONE = "-"
#: Labels with a bar; of more, only the most frequent ones.
LABELS_SHOWN = 12
#: The widest label.
LABEL_CELLS = 24
BAR_WIDTH = 24
_INDENT = _GAP = "  "


class Keep(Enum):
    """What remains of a text that is too long."""

    START, END, ENDS = range(3)


def colour_wanted(environ: Mapping[str, str]) -> bool | None:
    """Whether to write colours, for click's context; None: only to a terminal.

    NO_COLOR (no-color.org) precedes FORCE_COLOR (force-color.org), as in Python's own traceback.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return False if environ.get("TERM") in DUMB else None


def can_redraw(stream: TextIO | None = None) -> bool:
    """Whether standard error, or this stream, is a terminal on which lines can be drawn again."""
    return (stream or sys.stderr).isatty() and os.environ.get("TERM") not in DUMB


def columns_of(stream: object) -> int | None:
    """The width of a terminal; None for a pipe or a file, which have none. COLUMNS precedes it."""
    isatty = getattr(stream, "isatty", None)
    if isatty is None or not isatty():
        return None
    columns = shutil.get_terminal_size().columns  # COLUMNS, else of standard output
    if os.environ.get("COLUMNS", "").isdecimal():
        return columns
    return _own_columns(stream) or columns


def _own_columns(stream: object) -> int:
    """The width of this terminal; 0 if the stream is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return 0


def width(text: str) -> int:
    """The number of columns that a text without colour codes takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def shortened(
    text: str, limit: int, keep: Keep = Keep.START, size: Callable[[str], int] = width
) -> str:
    """A text of at most `limit` columns, or of another `size`; an ellipsis replaces what is left
    out."""
    if size(text) <= limit:
        return text
    tail = {Keep.START: 0, Keep.ENDS: limit // 2, Keep.END: limit - 1}[keep]
    head = _start(text, limit - 1 - tail, size)
    return head + ELLIPSIS + _start(text[::-1], tail, size)[::-1]


def _start(text: str, limit: int, size: Callable[[str], int]) -> str:
    """The longest start of a text that is no longer than `limit`."""
    used = 0
    for i, character in enumerate(text):
        used += size(character)
        if used > limit:
            return text[:i]
    return text


def wrapped(head: str, text: str, room: int | None) -> str:
    """A text behind its head; on a terminal, its further lines begin below its start."""
    if room is None:
        return head + text
    rest = max(room - width(head), 20)
    lines = textwrap.wrap(text, rest, break_long_words=False, break_on_hyphens=False) or [""]
    return head + ("\n" + " " * width(head)).join(lines)


def fitted_lines(lines: Iterable[str], room: int | None) -> list[str]:
    """Lines that may be coloured, as a whole or at their start, wrapped at `room` columns."""
    return [part for line in lines for part in _fitted(line, room)]


def _fitted(line: str, room: int | None) -> list[str]:
    plain = click.unstyle(line)
    if room is None or width(plain) <= room:
        return [line]
    parts = wrapped("", plain, room).split("\n")
    if (start := _COLOURED.match(line)) is None:
        return parts
    code, text, rest = start.groups()
    if not rest:
        return [code + part + _RESET for part in parts]
    return [parts[0].replace(text, code + text + _RESET, 1), *parts[1:]]


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


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


class LabelBar(NamedTuple):
    """One label: how many images have it, and how many of these are doubtful."""

    label: str
    images: int
    doubtful: int = 0


class Figure(NamedTuple):
    """A number, what it counts, and what to know about it."""

    number: str
    noun: str
    detail: str = ""
    style: Callable[[str], str] = str


def label_bars(labels: Sequence[LabelBar]) -> list[str]:
    """A line for each label, the most frequent first; the bars are relative to the longest."""
    nonempty = [bar for bar in labels if bar.images]
    ordered = sorted(nonempty, key=lambda bar: (-bar.images, bar.label))
    shown, rest = ordered[:LABELS_SHOWN], ordered[LABELS_SHOWN:]
    if len(rest) == 1:
        shown, rest = ordered, []
    names = [shortened(one_line(bar.label), LABEL_CELLS) for bar in shown]
    cells = max(map(width, names), default=0)
    digits = max((len(f"{bar.images:,}") for bar in shown), default=0)
    longest = max((bar.images for bar in shown), default=1)
    lines = [
        f"{_INDENT}{name(text)}{' ' * (cells - width(text))}  {bar.images:>{digits},}  "
        + parted_bar((bar.images - bar.doubtful) / longest, bar.images / longest)
        for bar, text in zip(shown, names, strict=True)
    ]
    if rest:
        images = sum(bar.images for bar in rest)
        lines.append(dim(f"{_INDENT}and {images:,} images of {len(rest):,} other labels"))
    return lines


def parted_bar(sure: float, all_: float) -> str:
    """A bar of two shares from 0 to 1: the sure part green, the rest up to `all_` yellow and light.

    A part that is not empty has at least one character.
    """
    length = max(round(all_ * BAR_WIDTH), 1) if all_ else 0
    solid = round(sure * BAR_WIDTH)
    if sure:
        solid = max(solid, 1)
    if sure < all_:
        solid = min(solid, length - 1) if length > 1 else solid
    solid = min(solid, length)
    rest = "░" * (length - solid)
    return (good("█" * solid) if solid else "") + (doubtful(rest) if rest else "")


def figures(shown: Sequence[Figure], room: int | None = None) -> list[str]:
    """A line for each figure, of `room` columns at most; the numbers are aligned at their ends."""
    digits = max((len(figure.number) for figure in shown), default=0)
    cells = max((len(figure.noun) for figure in shown if figure.detail), default=0)
    before = len(_INDENT) + digits + 1 + cells + len(_GAP)
    lines = []
    for figure in shown:
        text = f"{figure.number:>{digits}} {figure.noun}"
        detail = figure.detail if room is None else shortened(figure.detail, room - before)
        gap = " " * (cells - len(figure.noun)) + _GAP
        lines.append(f"{_INDENT}{figure.style(text)}{gap + dim(detail) if detail else ''}")
    return lines


def next_commands(commands: Sequence[tuple[str, str]]) -> list[str]:
    """What to do next: an aim and the command for it, one line each."""
    cells = max((len(aim) for aim, _ in commands), default=0) + 1
    return [f"{dim(f'{aim}:'.ljust(cells))}  {command}" for aim, command in commands]


def paragraphs(*parts: Sequence[str]) -> list[str]:
    """The lines of all parts, with an empty line between two parts that are not empty."""
    lines: list[str] = []
    for part in parts:
        if part:
            lines += ["", *part] if lines else list(part)
    return lines
