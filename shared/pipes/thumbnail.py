"""The exchange with `python -m worker.thumbnails`: orders in, small pictures out, as MessagePack
(shared/pipes/framing.py). The process sends an empty message when it is ready."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture, encoded again; nothing of the original file's bytes is in it."""

    webp: bytes = b""  #: empty: the image could not be decoded
    width: int = 0
    height: int = 0
    why: str = ""  #: the reason why there is no picture, one sentence


class Order(msgspec.Struct, frozen=True):
    """One image to make smaller."""

    data: bytes
    side_pixels: int  #: at most, the longer side of its picture
    max_bytes: int  #: of the encoded picture


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
        thumbnail = msgspec.msgpack.decode(data, type=Thumbnail)
    except MISFITS as error:
        raise BadMessage(f"not a thumbnail: {error}") from error
    # It comes from a process that has read hostile bytes.
    if thumbnail.webp and not (thumbnail.webp[:4] == b"RIFF" and thumbnail.webp[8:12] == b"WEBP"):
        raise BadMessage("not a thumbnail: no WebP file")
    if not (0 <= thumbnail.width <= 1 << 14 and 0 <= thumbnail.height <= 1 << 14):
        raise BadMessage("not a thumbnail: its size is out of range")
    return thumbnail
