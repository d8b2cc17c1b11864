"""Headers of AV1 data, and an AVIF that holds any AV1 data, for files that no encoder writes."""

from __future__ import annotations

import functools

from PIL import Image

from tests.support.images.encoders import save

SEQUENCE, FRAME_HEADER = 1, 3


class Bits:
    """Collects numbers of some bits."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, value: int, count: int) -> Bits:
        """Append `value` as `count` bits."""
        self._text += f"{value:0{count}b}" if count else ""
        return self

    def bytes(self) -> bytes:
        """All of them, with the one that ends a header, to whole bytes."""
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def obu(kind: int, content: bytes) -> bytes:
    """One part of AV1 data; its length is below 128."""
    return bytes([kind << 3 | 2, len(content)]) + content


def short_sequence(width: int, height: int) -> bytes:
    """The sequence header of a still image, as encoders write it."""
    bits = Bits().put(0, 3).put(1, 1).put(1, 1).put(0, 5)
    return obu(SEQUENCE, _sized(bits, width, height).bytes())


def long_sequence(width: int, height: int, id_bits: int = 0, timing: bool = False) -> bytes:
    """A sequence header whose frames may have sizes of their own, with the fields that shift them.

    Frames have numbers of `id_bits` (0, or 3 and more), and times of display if `timing`.
    """
    bits = Bits().put(0, 3).put(1, 1).put(0, 1).put(timing, 1)
    if timing:
        bits.put(1, 32).put(1, 32).put(0, 1).put(1, 1)  # with a model: 5-bit delays, 7-bit times
        bits.put(4, 5).put(1, 32).put(3, 5).put(6, 5)
    bits.put(1, 1).put(0, 5).put(0, 12).put(9, 5).put(0, 1)
    if timing:
        bits.put(1, 1).put(0, 11)
    _sized(bits.put(1, 1).put(3, 4), width, height)
    bits.put(bool(id_bits), 1)
    if id_bits:
        bits.put(id_bits - 3, 4).put(0, 3)
    bits.put(0, 3).put(0, 4).put(1, 1).put(0, 2).put(1, 1).put(1, 1)
    return obu(SEQUENCE, bits.bytes())


def frame_header(own_size: bool, id_bits: int = 0, timing: bool = False, kind: int = 0) -> bytes:
    """The start of a displayed frame's header, up to the flag of its own size."""
    bits = Bits().put(0, 1).put(kind, 2).put(1, 1).put(0, 7 if timing else 0)
    bits.put(0, 1).put(1, 1).put(1, 1).put(0, id_bits).put(own_size, 1)
    return obu(FRAME_HEADER, bits.put(0, 40).bytes())


def _sized(bits: Bits, width: int, height: int) -> Bits:
    return bits.put(15, 4).put(15, 4).put(width - 1, 16).put(height - 1, 16)


@functools.cache
def _small() -> bytes:
    return save(Image.new("L", (28, 28)), "AVIF")


def avif(av1: bytes) -> bytes:
    """A still image of 28x28 by its container, with this AV1 data."""
    start = _small().index(b"mdat") + 4
    head = bytearray(_small()[:start])
    head[-8:-4] = (len(av1) + 8).to_bytes(4, "big")
    place = start.to_bytes(4, "big")
    length = head.index(place) + 4
    head[length : length + 4] = len(av1).to_bytes(4, "big")
    return bytes(head) + av1


def small_av1() -> bytes:
    """The AV1 data of the image of 28x28."""
    return _small()[_small().index(b"mdat") + 4 :]
