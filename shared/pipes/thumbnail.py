"""The exchange with `python -m worker.thumbnails`: orders in, small pictures out
(shared/pipes/framing.py)."""

from __future__ import annotations

import msgspec


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture, encoded again; nothing of the original file's bytes is in it."""

    webp: bytes = b""  #: empty: the image could not be decoded
    width: int = 0
    height: int = 0
    why: str = ""  #: the reason why there is no picture, one sentence

    def __post_init__(self) -> None:
        # It comes from a process that has read hostile bytes.
        if self.webp and not (self.webp[:4] == b"RIFF" and self.webp[8:12] == b"WEBP"):
            raise ValueError("not a thumbnail: no WebP file")
        if not (0 <= self.width <= 1 << 14 and 0 <= self.height <= 1 << 14):
            raise ValueError("not a thumbnail: its size is out of range")


class Order(msgspec.Struct, frozen=True):
    """One image to make smaller."""

    data: bytes
    side_pixels: int  #: at most, the longer side of its picture
    max_bytes: int  #: of the encoded picture
