"""AVIF: the still image of a file, also of an animation.

libavif allocates what the AV1 data asks for, whatever size the container states: 268 megapixels at
6 bytes each, and again for transparency. So the container (ISO/IEC 14496-12, AVIF 1.1) is read here
first, and the sizes in the headers of the AV1 data.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import AvifImagePlugin
from PIL.AvifImagePlugin import AvifImageFile

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.av1_headers import frame_sizes
from worker.decoding.size_limits import check_pixels

#: Planes of up to 16 bits with transparency, and two copies in 8 bits: 16 bytes per pixel.
MAX_AVIF_PIXELS = 50_000_000
# One thread for each image: the other cores decode other images.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
#: The bounds on names, places and properties. libavif compares each item with all others.
_MAX_META_BYTES = 1 << 20
_MAX_BOXES = 10_000
_IN_FILE, _IN_META = 0, 1


class _Box(NamedTuple):
    name: bytes
    start: int  #: offset in bytes of its content
    end: int


def read(data: bytes) -> AvifImageFile:
    """The decoded image. A rotation in the container becomes an EXIF orientation.

    Raises:
        ImageError: `too_large`, `unreadable` for a damaged container, or `unsupported` where
            Pillow was built without libavif.
        Exception: of any class that Pillow raises for a damaged file.
    """
    if not AvifImagePlugin.SUPPORTED:
        raise ImageError(Status.UNSUPPORTED)
    boxes = list(_boxes(data, 0, len(data)))
    for content in _av1_data(data, boxes):
        for size in frame_sizes(content):
            check_pixels(size, MAX_AVIF_PIXELS)
    image = AvifImageFile(io.BytesIO(_still(data, boxes)))
    check_pixels(image.size, MAX_AVIF_PIXELS)
    image.load()
    return image


def _still(data: bytes, boxes: Sequence[_Box]) -> bytes:
    """The file without its animation, whose frames have other places and sizes."""
    movies = [box.start for box in boxes if box.name == b"moov"]
    if not movies and data[8:12] != b"avis":
        return data
    alone = bytearray(data)
    alone[8:12] = b"avif"
    for start in movies:
        name = alone.rindex(b"moov", 0, start)  # before a size of 64 bits, if there is one
        alone[name : name + 4] = b"free"
    types = next(box for box in boxes if box.name == b"ftyp")
    alone[types.start : types.end] = alone[types.start : types.end].replace(b"avis", b"miaf")
    return bytes(alone)


def _av1_data(data: bytes, boxes: Sequence[_Box]) -> Iterator[bytes]:
    """The data of each AV1 image in a file: the colours, their transparency, or tiles of a grid."""
    meta = _only(boxes, b"meta")
    parts = list(_boxes(data, meta.start + 4, meta.end))
    stored = [box for box in parts if box.name == b"idat"]
    taken = sum(box.end - box.start for box in stored)
    if meta.end - meta.start - taken > _MAX_META_BYTES:
        raise ImageError(Status.TOO_LARGE)
    bases = {_IN_FILE: 0, **({_IN_META: stored[0].start} if stored else {})}
    av1 = _av1_items(data, _only(parts, b"iinf"))
    left = 2 * len(data)  # overlapping places would multiply a file
    for item, way, extents in _places(data, _only(parts, b"iloc")):
        if item not in av1:
            continue
        pieces = [_extent(data, bases[way] + offset, length) for offset, length in extents]
        left -= sum(map(len, pieces))
        if left < 0:
            raise ImageError(Status.TOO_LARGE)
        yield b"".join(pieces)


def _extent(data: bytes, start: int, length: int) -> bytes:
    return data[start : start + length] if length else data[start:]


def _only(boxes: Sequence[_Box], name: bytes) -> _Box:
    named = [box for box in boxes if box.name == name]
    if len(named) != 1:  # of several, libavif might read another one
        raise ImageError(Status.UNREADABLE)
    return named[0]


def _boxes(data: bytes, at: int, end: int) -> Iterator[_Box]:
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
        yield _Box(name, start, stop)
        at = stop
    raise ImageError(Status.UNREADABLE)


def _av1_items(data: bytes, info: _Box) -> set[int]:
    """The numbers of the items that are AV1 images."""
    wide = data[info.start] > 0
    items = set()
    for box in _boxes(data, info.start + 4 + (4 if wide else 2), info.end):
        layout = ">I2x4s" if data[box.start] > 2 else ">H2x4s"
        item, kind = struct.unpack_from(layout, data, box.start + 4)
        if kind == b"av01":
            items.add(item)
    return items


def _places(data: bytes, box: _Box) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Number, way (in the file or in the metadata), and offsets and lengths of each item."""
    fields = _Fields(data, box.start)
    version = fields.number(4) >> 24
    widths = fields.number(2)
    offset, length, base, index = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(fields.number(4 if version > 1 else 2)):
        item = fields.number(4 if version > 1 else 2)
        way = fields.number(2) & 15 if version else _IN_FILE
        fields.number(2)
        start = fields.number(base)
        extents = []
        for _ in range(fields.number(2)):
            fields.number(index if version else 0)
            extents.append((start + fields.number(offset), fields.number(length)))
        yield item, way, extents


class _Fields:
    """Big-endian numbers, one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self, size: int) -> int:
        """The next `size` bytes. Raises IndexError at the end."""
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise IndexError("the data ends within a number")
        return int.from_bytes(self._data[start : self._at], "big")
