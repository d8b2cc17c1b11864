"""The last two fields of a line of decisions, its number in the file and a checksum:

    {"sha256":"9f2c…",…,"line":17,"check":"0d2bc003"}

Numbers count all lines of the file, from 1. The checksum is the CRC-32 of the bytes before its
field, in eight hexadecimal digits. A CRC-32 differs after any single flipped bit and any damage
within 32 bits, and costs few bytes a line; no checksum without a key keeps a forger out. Lines of
0.2.0 have neither field.
"""

from __future__ import annotations

import re
import zlib

from shared.errors import BadMessage

_BEGINNING = b'{"'
_NUMBER, _CHECK = b',"line":', b',"check":"'
#: Does not occur inside a string of JSON, where a quote has a backslash before it.
_NAME = b'"check":'
_CHECK_BYTES = len(_CHECK) + len('01234567"}')
_MOST_DIGITS = 18
_BOTH = re.compile(rb',"line":[0-9]+,"check":"[0-9a-f]{8}"}')


def numbered(line: bytes, number: int) -> bytes:
    """A line, an object of JSON, with its number, its checksum and its end."""
    start = b"%b%b%d" % (line.rstrip(b"\n").removesuffix(b"}"), _NUMBER, number)
    return b"%b%b\n" % (start, _check(start))


def opened(line: bytes) -> tuple[bytes, int | None]:
    """A line without the two fields and without its end, and its number; None of 0.2.0.

    Raises:
        BadMessage: its checksum is wrong or missing.
    """
    place = line.rfind(_NUMBER)  # from its end: there may be 100,000 lines
    if place < 0 and _NAME not in line:
        return line, None
    start, check = line[:-_CHECK_BYTES], line[-_CHECK_BYTES:]
    number = start[place + len(_NUMBER) :]
    if check != _check(start) or not number.isdigit() or len(number) > _MOST_DIGITS:
        raise BadMessage("the line is damaged, as its checksum differs")
    return line[:place] + b"}", int(number)


def may_be_torn(end: bytes) -> bool:
    """Whether bytes without a line end may be what a crash has left of a line: its beginning, or
    zeros. Otherwise they are damaged, or of another file."""
    is_beginning = end.startswith(_BEGINNING[: len(end)]) and not _BOTH.search(end)
    return is_beginning or not end.strip(b"\0")


def _check(start: bytes) -> bytes:
    return b',"check":"%08x"}' % zlib.crc32(start)
