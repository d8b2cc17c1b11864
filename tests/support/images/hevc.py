"""HEVC pictures without loss, drawn by a writer of its own: each block holds its samples (I_PCM).

H.265: parameter sets in 7.3.2, a slice in 7.3.6 and 7.3.8, its arithmetic code in 9.3. Two bins of
that code precede a block's samples, `split_cu_flag` 0 and `pcm_flag` 1, and one follows them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.images.boxes import box

Planes = Sequence[NDArray[np.uint16]]  #: [height, width] each: grey, or Y, Cb, Cr in 4:2:0
_BLOCK = 16
_VIDEO, _SEQUENCE, _PICTURE, _INTRA = 32, 33, 34, 20
#: rangeTabLps of H.265 for a range of 448 and more, which each block starts with.
_LEAST_PROBABLE = (
    240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89,
    85, 80, 76, 72, 69, 65, 62, 59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25,
    24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9,
)  # fmt: skip


class Picture(NamedTuple):
    """A coded picture, as an item of a HEIF file has it."""

    size: tuple[int, int]
    header: bytes  #: the box hvcC
    content: bytes


def coded(planes: Planes, depth: int = 8, stated: tuple[int, int] | None = None) -> Picture:
    """The samples, of `depth` bits. Its headers state another size, if one is given."""
    height, width = planes[0].shape
    colour = len(planes) > 1
    sets = [
        (_VIDEO, _video_set(colour, depth)),
        (_SEQUENCE, _sequence_set(stated or (width, height), colour, depth)),
        (_PICTURE, _picture_set()),
    ]
    arrays = b"".join(_array(kind, unit(kind, content)) for kind, content in sets)
    header = bytes([1]) + _profile(colour, depth) + b"\xf0\0\xfc"
    header += bytes([0xFC | colour, 0xF8 | depth - 8, 0xF8 | depth - 8, 0, 0, 0x0F, len(sets)])
    slice_unit = unit(_INTRA, _slice(planes, depth))
    return Picture((width, height), box(b"hvcC", header, arrays), sized(slice_unit))


def sized(content: bytes) -> bytes:
    """A unit with its length before it."""
    return struct.pack(">I", len(content)) + content


def unit(kind: int, content: bytes) -> bytes:
    """A unit of this type (H.265, 7.4.2): no three bytes in it look like the start of another."""
    return bytes([kind << 1, 1]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", content)


class _Bits:
    """Collects numbers of some bits."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, value: int, count: int) -> _Bits:
        self._text += f"{value:0{count}b}"
        return self

    def golomb(self, *values: int) -> _Bits:
        """Numbers that state their lengths in leading zeros."""
        for value in values:
            self._text += "0" * ((value + 1).bit_length() - 1) + f"{value + 1:b}"
        return self

    def bytes(self) -> bytes:
        """All of them, to whole bytes."""
        text = self._text + "0" * (-len(self._text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _array(kind: int, content: bytes) -> bytes:
    return bytes([0x80 | kind, 0, 1]) + struct.pack(">H", len(content)) + content


def _profile(colour: bool, depth: int) -> bytes:
    """Main, Main 10, or the range extensions for grey; progressive; level 6.2."""
    number = 4 if not colour else 1 if depth == 8 else 2
    return struct.pack(">BI6sB", number, 1 << 31 - number, b"\x90" + bytes(5), 186)


def _put_profile(bits: _Bits, colour: bool, depth: int) -> None:
    profile = _profile(colour, depth)
    bits.put(int.from_bytes(profile, "big"), 8 * len(profile))


def _video_set(colour: bool, depth: int) -> bytes:
    bits = _Bits().put(0, 4).put(3, 2).put(0, 9).put(1, 1).put(0xFFFF, 16)
    _put_profile(bits, colour, depth)
    bits.put(1, 1).golomb(0, 0, 0).put(0, 6).golomb(0).put(0, 2)
    return bits.put(1, 1).bytes()


def _sequence_set(size: tuple[int, int], colour: bool, depth: int) -> bytes:
    bits = _Bits().put(0, 4).put(0, 3).put(1, 1)
    _put_profile(bits, colour, depth)
    whole = [side + -side % _BLOCK for side in size]
    bits.golomb(0, int(colour), *whole).put(1, 1)
    scale = 2 if colour else 1
    bits.golomb(0, (whole[0] - size[0]) // scale, 0, (whole[1] - size[1]) // scale)
    bits.golomb(depth - 8, depth - 8, 0).put(1, 1).golomb(0, 0, 0)
    bits.golomb(0, 1, 0, 2, 0, 0)  # blocks of 16 to 8, transforms of 4 to 16
    bits.put(0, 3).put(1, 1).put(depth - 1, 4).put(depth - 1, 4).golomb(1, 0).put(1, 1)
    bits.golomb(0).put(0, 5)
    return bits.put(1, 1).bytes()


def _picture_set() -> bytes:
    bits = _Bits().golomb(0, 0).put(0, 7).golomb(0, 0, 0).put(0, 3).golomb(0, 0).put(0, 7)
    bits.put(1, 1).put(0, 1).put(1, 1)  # no deblocking
    return bits.put(0, 2).golomb(0).put(0, 2).put(1, 1).bytes()


def _slice(planes: Planes, depth: int) -> bytes:
    parts = [_Bits().put(2, 2).golomb(0, 2, 0).put(1, 1).bytes()]
    for number, samples in enumerate(_blocks(planes)):
        before = 508 if number else 510  # the previous block was not the last one
        least = _LEAST_PROBABLE[min(number, len(_LEAST_PROBABLE) - 1)]
        parts += [_flushed(before - least - 2), _packed(samples, depth)]
    return b"".join(parts) + _flushed(508)


def _flushed(low: int) -> bytes:
    """The arithmetic code at a bin of 1 that ends it (H.265, 9.3.4.6), to whole bytes."""
    return struct.pack(">H", (low | 1) << 7)


def _blocks(planes: Planes) -> Iterator[NDArray[np.uint16]]:
    """The samples of each block: grey, or Y, Cb and Cr."""
    height, width = planes[0].shape
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            parts = []
            for plane in planes:
                scale = width // plane.shape[1]
                side, y, x = _BLOCK // scale, top // scale, left // scale
                part = plane[y : y + side, x : x + side]
                padding = [(0, side - length) for length in part.shape]
                parts.append(np.pad(part, padding, "edge").ravel())
            yield np.concatenate(parts)


def _packed(samples: NDArray[np.uint16], depth: int) -> bytes:
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)
    return np.packbits(bits[:, 16 - depth :]).tobytes()
