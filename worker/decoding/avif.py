"""AVIF: the still image of a file, also of an animation.

libavif allocates what the AV1 data asks for, whatever size the container states: 268 megapixels at
6 bytes each, and again for transparency. So the container (ISO/IEC 14496-12, AVIF 1.1) is read here
first, and the sizes in the headers of the AV1 data.

Their parser (AV1 bitstream specification, sections 5.3 (OBU), 5.5 (sequence header), 5.9.2 (frame
header)) reads up to the size of a sequence, and of a frame up to the flag that it has a size of its
own; such a frame may be as large as the sequence's fields can express.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from PIL import AvifImagePlugin
from PIL.AvifImagePlugin import AvifImageFile

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.boxes import Box, Meta, boxes, only
from worker.decoding.size_limits import check_pixels

_SEQUENCE = 1
_FRAMES = (3, 6, 7)  #: header, header and pixels, repeated header
#: An image has about three; each costs a microsecond.
_MAX_OBUS = 20_000
#: More than the parts of a header that are read here.
_HEADER_BYTES = 1024
_KEY_FRAME, _SWITCH_FRAME = 0, 3
#: Screen content tools and integer motion are chosen by each frame.
_BY_FRAME = 2
#: Planes of up to 16 bits with transparency, and two copies in 8 bits: 16 bytes per pixel.
MAX_AVIF_PIXELS = 50_000_000
# One thread for each image: the other cores decode other images.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class _Sequence(NamedTuple):
    size: tuple[int, int]  #: of all frames that have no size of their own
    largest: tuple[int, int]  #: that a frame can have
    reduced: bool  #: a single image with short headers, without sizes of frames
    time_bits: int  #: of a field in the headers of displayed frames
    id_bits: int
    screen_tools: int
    integer_motion: int


def frame_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of each sequence, and upper bounds for frames with sizes of their own.

    Raises:
        ImageError: `too_large`: the data has too many parts.
        IndexError, ValueError: a header is truncated.
    """
    sequence: _Sequence | None = None
    for kind, content in _obus(data):
        if kind == _SEQUENCE:
            sequence = _sequence(_Bits(content))
            yield sequence.size
        elif kind in _FRAMES and sequence is not None and _has_own_size(content, sequence):
            yield sequence.largest


def _obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and first bytes of each part."""
    at = 0
    for _ in range(_MAX_OBUS):
        if at >= len(data):
            return
        head = data[at]
        at += 2 if head & 4 else 1
        size = len(data) - at
        if head & 2:
            size, at = _leb128(data, at)
        yield head >> 3 & 15, data[at : at + min(size, _HEADER_BYTES)]
        at += size
    raise ImageError(Status.TOO_LARGE)


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits in each byte, and the offset after it."""
    value = 0
    for i in range(8):
        byte = data[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise ImageError(Status.UNREADABLE)


class _Bits:
    """Reads numbers of some bits. Raises ValueError at the end, where the shift is negative."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def skip_variable(self) -> None:
        """Skip a number that states its length in leading zeros."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        self.take(min(zeros, 32) if zeros < 32 else 0)


def _sequence(bits: _Bits) -> _Sequence:
    bits.take(3 + 1)  # profile, still picture
    reduced = bool(bits.take(1))
    time_bits = 0
    if reduced:
        bits.take(5)
    else:
        time_bits = _operating_points(bits)
    widths = bits.take(4) + 1, bits.take(4) + 1
    size = bits.take(widths[0]) + 1, bits.take(widths[1]) + 1
    largest = 1 << widths[0], 1 << widths[1]
    if reduced:
        return _Sequence(size, largest, True, 0, 0, _BY_FRAME, _BY_FRAME)
    id_bits = bits.take(4) + 2 + bits.take(3) + 1 if bits.take(1) else 0
    bits.take(3 + 4)  # tools for blocks, tools for pairs of frames
    if bits.take(1):  # frames have an order
        bits.take(2)
    screen_tools = _BY_FRAME if bits.take(1) else bits.take(1)
    integer_motion = _BY_FRAME
    if screen_tools:
        integer_motion = _BY_FRAME if bits.take(1) else bits.take(1)
    return _Sequence(size, largest, False, time_bits, id_bits, screen_tools, integer_motion)


def _operating_points(bits: _Bits) -> int:
    """Skip timing and operating points; returns the bits of a frame's time of display."""
    time_bits = delay_bits = 0
    equal = model = False
    if bits.take(1):  # timing
        bits.take(32 + 32)
        equal = bool(bits.take(1))
        if equal:
            bits.skip_variable()
        model = bool(bits.take(1))
        if model:
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5)
            time_bits = bits.take(5) + 1
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if delays and bits.take(1):
            bits.take(4)
    return 0 if equal else time_bits


def _has_own_size(header: bytes, sequence: _Sequence) -> bool:
    """Whether a frame overrides the size of its sequence."""
    bits = _Bits(header)
    if sequence.reduced or bits.take(1):  # shows a frame that was decoded before
        return False
    kind = bits.take(2)
    shown = bits.take(1)
    if shown:
        bits.take(sequence.time_bits)
    else:
        bits.take(1)
    if kind != _SWITCH_FRAME and not (kind == _KEY_FRAME and shown):
        bits.take(1)  # resilience to errors
    bits.take(1)
    tools = sequence.screen_tools
    if (bits.take(1) if tools == _BY_FRAME else tools) and sequence.integer_motion == _BY_FRAME:
        bits.take(1)
    bits.take(sequence.id_bits)
    return kind == _SWITCH_FRAME or bool(bits.take(1))


def read(data: bytes) -> AvifImageFile:
    """The decoded image. A rotation in the container becomes an EXIF orientation.

    Raises:
        ImageError: `too_large`, `unreadable` for a damaged container, or `unsupported` where
            Pillow was built without libavif.
        Exception: of any class that Pillow raises for a damaged file.
    """
    if not AvifImagePlugin.SUPPORTED:
        raise ImageError(Status.UNSUPPORTED)
    for content in _av1_data(data, only(list(boxes(data, 0, len(data))), b"meta")):
        for size in frame_sizes(content):
            check_pixels(size, MAX_AVIF_PIXELS)
    # Of this brand libavif decodes the still image, whose size was checked, and no animation.
    image = AvifImageFile(io.BytesIO(data[:8] + b"avif" + data[12:]))
    check_pixels(image.size, MAX_AVIF_PIXELS)
    image.load()
    return image


def _av1_data(data: bytes, box: Box) -> Iterator[bytes]:
    """The data of each AV1 image in a file: the colours, their transparency, or tiles of a grid."""
    meta = Meta(data, box)
    for item, place in meta.places():
        if meta.kinds.get(item) == b"av01":
            yield meta.content(place)
