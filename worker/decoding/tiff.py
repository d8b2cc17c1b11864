"""The first image of a TIFF, whose declared sizes are checked before Pillow and libtiff use them.

A TIFF is a list of tags with counts and offsets. Declared tiles may be larger than the image, and
tables may have millions of entries, so the list is read here first.
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
from worker.decoding.letterbox import UPRIGHT, DecodedImage
from worker.decoding.size_limits import MAX_PIXELS, check_pixels

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_BITS, _COMPRESSION, _ORIENTATION = 258, 259, 274
_PURPOSE, _PHOTOMETRIC, _SUB_IMAGES, _DNG_VERSION = 254, 262, 330, 50706
#: JPEG as in TIFF 6, replaced by 7 in 1995: the cause of many bugs in libtiff.
_OLD_JPEG = 6
#: Bit of the purpose. Cameras put a preview first into a raw file, and the image below it.
_PREVIEW = 1
_WHITE_IS_ZERO = 0
#: Samples of a sensor, with or without its colour filter.
_SENSOR = (32803, 34892)
#: struct formats of the numbers that Hangtag reads, by TIFF's type number.
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
#: Pillow needs about 300 bytes for each entry; 100 megapixels in strips of a row have fewer.
_MAX_ENTRIES = 200_000
_BYTE_TYPES = (1, 2, 6, 7)
_STDERR = 2
_one_at_a_time = threading.Lock()


class _Encoding(NamedTuple):
    """The layout of numbers in the classic and the big form."""

    link: int  #: offset in bytes of the link to the first list of tags
    length: str
    tag: str
    offset: str


_CLASSIC = _Encoding(4, "H", "HHI4x", "I")
_BIG = _Encoding(8, "Q", "HHQ8x", "Q")


class _Tag(NamedTuple):
    kind: int
    entries: int
    at: int  #: offset in bytes of the value, if it is short enough for the list itself


def read(data: bytes) -> DecodedImage:
    """The decoded first image.

    Raises:
        ImageError: `too_large`, or `unsupported` for the old form of JPEG in TIFF and for raw
            files of cameras.
        Exception: of any class that Pillow raises for a damaged file.
    """
    order = "<" if data.startswith(b"II") else ">"
    form = _BIG if b"+" in data[:4] else _CLASSIC
    tags = _tags(data, order, form)
    values = {number: _value(data, order, tag) for number, tag in tags.items()}
    _check(values)
    stream = io.BytesIO(data)
    orientation = values.get(_ORIENTATION) or UPRIGHT
    if orientation != UPRIGHT:
        # Pillow would rotate all pixels; letterbox.py rotates the reduced image.
        tag = tags[_ORIENTATION]
        stream.seek(tag.at)
        stream.write(struct.pack(order + _NUMBERS[tag.kind], UPRIGHT))
        stream.seek(0)
    image = _loaded(stream)
    image.info["bits"] = values.get(_BITS, 0)
    image.info["white_is_zero"] = image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    return DecodedImage(image, orientation, image.size)


def _tags(data: bytes, order: str, form: _Encoding) -> dict[int, _Tag]:
    """The first list of tags, by number. Of several with the same number, the first is used."""
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
    """A single number that is stored in the list itself; 0 for any other value."""
    if tag.kind not in _NUMBERS or tag.entries != 1:
        return 0
    return int(struct.unpack_from(order + _NUMBERS[tag.kind], data, tag.at)[0])


def _check(values: dict[int, int]) -> None:
    size = values[_WIDTH], values[_HEIGHT]
    tile = values.get(_TILE_WIDTH, 1), values.get(_TILE_HEIGHT, 1)
    check_pixels(size)
    check_pixels(tile)
    if 0 in size or 0 in tile:
        # Declared in a form that Pillow or libtiff may read differently.
        raise ImageError(Status.UNREADABLE)
    if _is_raw(values) or values.get(_COMPRESSION) == _OLD_JPEG:
        raise ImageError(Status.UNSUPPORTED)


def _is_raw(values: dict[int, int]) -> bool:
    """Whether a camera wrote the file as raw, whatever its name is."""
    preview = values.get(_PURPOSE, 0) & _PREVIEW and _SUB_IMAGES in values
    return bool(preview) or _DNG_VERSION in values or values.get(_PHOTOMETRIC) in _SENSOR


def _loaded(stream: io.BytesIO) -> TiffImageFile:
    image = TiffImageFile(stream)
    # libtiff decodes whole strips or tiles beside Pillow's image of 32 bits per pixel.
    bits = sum(image.tag_v2.get(_BITS, (1,)))
    check_pixels(image.size, MAX_PIXELS * 32 // max(bits, 32))
    with quiet():
        image.load()
    return image


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what this process writes to standard error within the block.

    libtiff prints a line for every error in a file, up to one per row.
    """
    with _one_at_a_time:
        try:
            saved = os.dup(_STDERR)
        except OSError:  # standard error is closed
            yield
            return
        try:
            _redirect_stderr_to_null()
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)


def _redirect_stderr_to_null() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STDERR)
    os.close(null)
