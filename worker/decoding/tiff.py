"""The first picture of a TIFF, checked before Pillow and libtiff believe what it declares.

A TIFF is a list of tags with counts and offsets. Declared tiles may be larger than the picture,
and tables may have millions of entries, so the list is read here first.
"""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from PIL.TiffImagePlugin import TiffImageFile

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.limits import MAX_PIXELS, check_pixels
from worker.preprocessing.letterbox import Picture
from worker.preprocessing.orientation import UPRIGHT

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_BITS, _COMPRESSION, _ORIENTATION = 258, 259, 274
#: JPEG as of TIFF 6, given up in 1995 for 7: a string of faults in libtiff.
_OLD_JPEG = 6
#: struct formats of the numbers that Hangtag reads, by TIFF's type number.
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
#: Pillow makes some 300 bytes of each entry; 100 megapixels in strips of a row have fewer.
_MAX_ENTRIES = 200_000
_BYTE_TYPES = (1, 2, 6, 7)
_STDERR = 2
_one_at_a_time = threading.Lock()


class _Form(NamedTuple):
    """How the classic and the big form lay out their numbers."""

    link: int  #: offset in bytes of the link to the first list of tags
    length: str
    tag: str
    offset: str


_CLASSIC = _Form(4, "H", "HHI4x", "I")
_BIG = _Form(8, "Q", "HHQ8x", "Q")


class _Tag(NamedTuple):
    kind: int
    entries: int
    at: int  #: offset in bytes of the value, where it is short enough to stand in the list


def read(data: bytes) -> Picture:
    """The decoded first picture.

    Raises:
        ImageError: `too_large`, or `unsupported` for the old kind of JPEG in TIFF.
        Exception: whatever Pillow raises for a damaged file.
    """
    order = "<" if data.startswith(b"II") else ">"
    form = _BIG if b"+" in data[:4] else _CLASSIC
    tags = _tags(data, order, form)
    values = {number: _value(data, order, tag) for number, tag in tags.items()}
    _check(values)
    stream = io.BytesIO(data)
    orientation = values.get(_ORIENTATION) or UPRIGHT
    if orientation != UPRIGHT:
        # Pillow would turn all of the pixels; upright.py turns the few that are left.
        tag = tags[_ORIENTATION]
        stream.seek(tag.at)
        stream.write(struct.pack(order + _NUMBERS[tag.kind], UPRIGHT))
        stream.seek(0)
    image = _loaded(stream)
    image.info["bits"] = values.get(_BITS, 0)
    return Picture(image, orientation, image.size)


def _tags(data: bytes, order: str, form: _Form) -> dict[int, _Tag]:
    """The first list of tags, by number. Of several with a number, the first counts."""
    (start,) = struct.unpack_from(order + form.offset, data, form.link)
    (count,) = struct.unpack_from(order + form.length, data, start)
    layout = struct.Struct(order + form.tag)
    value_bytes = struct.calcsize(order + form.offset)
    first = start + struct.calcsize(order + form.length)
    tags: dict[int, _Tag] = {}
    for at in range(first, first + count * layout.size, layout.size):
        number, kind, entries = layout.unpack_from(data, at)
        tag = _Tag(kind, entries, at + layout.size - value_bytes)
        if tag.kind not in _BYTE_TYPES and tag.entries > _MAX_ENTRIES:
            raise ImageError(Status.TOO_LARGE)
        tags.setdefault(number, tag)
    return tags


def _value(data: bytes, order: str, tag: _Tag) -> int:
    """A single number that stands in the list itself; 0 for anything else."""
    if tag.kind not in _NUMBERS or tag.entries != 1:
        return 0
    return int(struct.unpack_from(order + _NUMBERS[tag.kind], data, tag.at)[0])


def _check(values: dict[int, int]) -> None:
    picture = values[_WIDTH], values[_HEIGHT]
    tile = values.get(_TILE_WIDTH, 1), values.get(_TILE_HEIGHT, 1)
    check_pixels(picture)
    check_pixels(tile)
    if 0 in picture or 0 in tile:
        # Declared in a way that Pillow or libtiff may read differently.
        raise ImageError(Status.UNREADABLE)
    if values.get(_COMPRESSION) == _OLD_JPEG:
        raise ImageError(Status.UNSUPPORTED)


def _loaded(stream: io.BytesIO) -> TiffImageFile:
    image = TiffImageFile(stream)
    # libtiff decodes whole strips or tiles beside Pillow's picture of 32 bits per pixel.
    bits = sum(image.tag_v2.get(_BITS, (1,)))
    check_pixels(image.size, MAX_PIXELS * 32 // max(bits, 32))
    with quiet():
        image.load()
    return image


@contextmanager
def quiet() -> Iterator[None]:
    """Within, what any code of this process writes to standard error is dropped.

    libtiff prints a line for every fault of a file, up to one per row.
    """
    with _one_at_a_time:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # there is no standard error to keep quiet
            yield
            return
        try:
            _point_stderr_nowhere()
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def _point_stderr_nowhere() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
