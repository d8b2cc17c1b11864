"""The exchange with `python -m worker.thumbnails`: images in, small pictures out, over two pipes.

Each message is its length, u32 little-endian, and that number of bytes: an Order in one direction,
a Thumbnail in the other, both as MessagePack. The process sends an empty message when it is ready.
"""

from __future__ import annotations

import struct
from typing import IO

import msgspec

from shared.errors import MISFITS, BadMessage

_LENGTH = struct.Struct("<I")
#: The longer side of a thumbnail. Most lists display it in half this size, sharp on any screen.
SIDE_PIXELS = 192
#: Of one encoded thumbnail.
MAX_BYTES = 6_000
#: Of a whole plot, which is encoded again like an image.
MAX_PLOT_BYTES = 200_000


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture, encoded anew; nothing of the original file's bytes is in it."""

    webp: bytes = b""  #: empty: the image could not be decoded
    width: int = 0
    height: int = 0
    why: str = ""  #: the reason why there is no picture, one sentence


class Order(msgspec.Struct, frozen=True):
    """One image to make smaller."""

    data: bytes
    side_pixels: int = SIDE_PIXELS
    max_bytes: int = MAX_BYTES


def send(pipe: IO[bytes], message: bytes) -> None:
    """Raises OSError if the other side has ended."""
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None if the other side has ended."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    return message if len(message) == length else None


def encode(value: Thumbnail | Order) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(value)


def decode_order(data: bytes) -> Order:
    """The order in `data`. Raises BadMessage."""
    try:
        return msgspec.msgpack.decode(data, type=Order)
    except MISFITS as error:
        raise BadMessage(f"not an order for a thumbnail: {error}") from error


def decode_thumbnail(data: bytes) -> Thumbnail:
    """The thumbnail in `data`. Raises BadMessage."""
    try:
        found = msgspec.msgpack.decode(data, type=Thumbnail)
    except MISFITS as error:
        raise BadMessage(f"not a thumbnail: {error}") from error
    # It comes from a process that has read hostile bytes.
    if found.webp and not (found.webp[:4] == b"RIFF" and found.webp[8:12] == b"WEBP"):
        raise BadMessage("not a thumbnail: no WebP file")
    if not (0 <= found.width <= 1 << 14 and 0 <= found.height <= 1 << 14):
        raise BadMessage("not a thumbnail: its size is out of range")
    return found
