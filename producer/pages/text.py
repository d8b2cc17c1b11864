"""Text for pages: foreign names as bounded printable lines."""

from __future__ import annotations

from producer.present.style import Keep, shortened
from shared.messages.files import printable

#: A path may have 4,095 bytes, four characters each when they are escaped.
PATH_CHARS, NAME_CHARS, LABEL_CHARS = 400, 40, 60


def path(name: bytes) -> str:
    """A path as one line; of a long one the middle is left out."""
    return bounded(printable(name), PATH_CHARS)


def file_name(name: bytes) -> str:
    """The last part of a path, short enough for a caption."""
    return bounded(printable(name.rpartition(b"/")[2]), NAME_CHARS)


def label(text: str) -> str:
    """A label as one line."""
    return bounded(printable(text.encode(errors="backslashreplace")), LABEL_CHARS)


def bounded(line: str, limit: int) -> str:
    """At most `limit` characters of a line, with the middle left out."""
    return shortened(line, limit, Keep.ENDS, len)
