"""The container of AVIF and HEIF files: boxes, and the items that they describe.

ISO base media file format (ISO/IEC 14496-12), and its images (ISO/IEC 23008-12).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.errors import ImageError
from shared.image_status import Status

#: The bounds on names, places and properties. Decoders compare each item with all others.
_MAX_META_BYTES = 1 << 20
_MAX_BOXES = 10_000
#: Fields of no width would allow 65,535 in two bytes. An encoder writes one for each item.
_MAX_PIECES = 10_000
_IN_FILE, _IN_META = 0, 1


class Place(NamedTuple):
    """Where the data of an item are."""

    way: int  #: in the file or in the metadata
    pieces: list[tuple[int, int]]  #: offset and length in bytes; a length of 0 is up to the end


class Box(NamedTuple):
    """A part of a file."""

    name: bytes
    start: int  #: offset in bytes of its content
    end: int


class Meta:
    """The items of a file, by their numbers.

    Raises:
        ImageError: `too_large`, or `unreadable` for a damaged container.
        Exception: IndexError, KeyError, struct.error: a field is truncated or missing.
    """

    def __init__(self, data: bytes, box: Box) -> None:
        self._data = data
        self.parts = list(boxes(data, box.start + 4, box.end))
        stored = [part for part in self.parts if part.name == b"idat"]
        taken = sum(part.end - part.start for part in stored)
        if box.end - box.start - taken > _MAX_META_BYTES:
            raise ImageError(Status.TOO_LARGE)
        self._bases = {_IN_FILE: 0, **({_IN_META: stored[0].start} if stored else {})}
        self.kinds = _kinds(data, only(self.parts, b"iinf"))
        self._left = 2 * len(data)  # overlapping places would multiply a file

    def places(self) -> Iterator[tuple[int, Place]]:
        """The place of each item."""
        return _places(self._data, only(self.parts, b"iloc"))

    def content(self, place: Place) -> bytes:
        """The data of an item, which is shorter than stated at the end of the file."""
        base, found = self._bases[place.way], []
        for offset, length in place.pieces:
            end = base + offset + length if length else len(self._data)
            found.append(self._data[base + offset : end])
            self._left -= len(found[-1])
            if self._left < 0:
                raise ImageError(Status.TOO_LARGE)
        return b"".join(found)


def boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    """The boxes from one offset to another, one after the other.

    Raises:
        ImageError: `unreadable`: one extends beyond the end, or there are too many.
        struct.error: the last one is truncated.
    """
    for _ in range(_MAX_BOXES):
        if at >= end:
            return
        size, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", data, start), start + 8
        stop = at + size if size else end
        if not start <= stop <= end:
            break
        yield Box(name, start, stop)
        at = stop
    raise ImageError(Status.UNREADABLE)


def only(parts: Sequence[Box], name: bytes) -> Box:
    """The box of this name. Raises ImageError `unreadable`: there is none or more than one, of
    which a decoder might read another."""
    named = [box for box in parts if box.name == name]
    if len(named) != 1:
        raise ImageError(Status.UNREADABLE)
    return named[0]


class Fields:
    """The numbers of a box, big-endian, one after the other."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._at, self._end = data, box.start, box.end

    def number(self, size: int) -> int:
        """The next `size` bytes. Raises IndexError at the end."""
        start, self._at = self._at, self._at + size
        if self._at > self._end:
            raise IndexError("the box ends within a number")
        return int.from_bytes(self._data[start : self._at], "big")


def _kinds(data: bytes, info: Box) -> dict[int, bytes]:
    """The type of each item, by its number."""
    wide = data[info.start] > 0
    kinds = {}
    for box in boxes(data, info.start + 4 + (4 if wide else 2), info.end):
        layout = ">I2x4s" if data[box.start] > 2 else ">H2x4s"
        item, kind = struct.unpack_from(layout, data, box.start + 4)
        kinds[item] = kind
    return kinds


def _places(data: bytes, box: Box) -> Iterator[tuple[int, Place]]:
    fields = Fields(data, box)
    version = fields.number(4) >> 24
    widths = fields.number(2)
    offset, length, base, index = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    left = _MAX_PIECES
    for _ in range(fields.number(4 if version > 1 else 2)):
        item = fields.number(4 if version > 1 else 2)
        way = fields.number(2) & 15 if version else _IN_FILE
        fields.number(2)
        start = fields.number(base)
        count = fields.number(2)
        left -= count
        if left < 0:
            raise ImageError(Status.UNREADABLE)
        pieces = []
        for _ in range(count):
            fields.number(index if version else 0)
            pieces.append((start + fields.number(offset), fields.number(length)))
        yield item, Place(way, pieces)
