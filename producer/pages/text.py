"""Text for pages: figures, and foreign names as bounded printable lines."""

from __future__ import annotations

from shared.messages.files import printable

#: A path may have 4,095 bytes, four characters each when they are escaped.
PATH_CHARS, NAME_CHARS, LABEL_CHARS = 400, 40, 60
_ELLIPSIS = "…"


def count(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """`97.5%`; never 100% for less, nor 0% for more than nothing."""
    if share is None:
        return "-"
    shown = f"{100 * share:.{digits}f}"
    least = 10**-digits
    if share < 1 and float(shown) == 100:
        return f"> {100 - least:.{digits}f}%"
    if share > 0 and float(shown) == 0:
        return f"< {least:.{digits}f}%"
    return f"{shown}%"


def decimals(value: float | None) -> str:
    """Four decimals, as in the table."""
    return "-" if value is None else f"{value:.4f}"


def path(name: bytes) -> str:
    """A path as one line; of a long one the middle is left out."""
    return shortened(printable(name), PATH_CHARS)


def file_name(name: bytes) -> str:
    """The last part of a path, short enough for a caption."""
    return shortened(printable(name.rpartition(b"/")[2]), NAME_CHARS)


def label(text: str) -> str:
    """A label as one line."""
    return shortened(printable(text.encode(errors="backslashreplace")), LABEL_CHARS)


def shortened(line: str, limit: int) -> str:
    """At most `limit` characters of a line, with the middle left out."""
    if len(line) <= limit:
        return line
    tail = limit // 2
    return line[: limit - 1 - tail] + _ELLIPSIS + line[len(line) - tail :]
