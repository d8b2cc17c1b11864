"""Messages between two processes over pipes: the length, u32 little-endian, and that many bytes."""

from __future__ import annotations

import struct
from typing import IO

_LENGTH = struct.Struct("<I")


def send(pipe: IO[bytes], message: bytes) -> None:
    """Raises OSError if the other side has ended."""
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes], most: int = 1 << 30) -> bytes | None:
    """The next message; None if the other side has ended, or sends more than `most` bytes."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length) if length <= most else b""
    return message if len(message) == length else None
