"""Colours with a meaning, and how many columns a text takes.

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
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from typing import TextIO

import click

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
    columns = shutil.get_terminal_size().columns  # COLUMNS, or that of standard output
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
