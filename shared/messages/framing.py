"""Messages between two processes over pipes: the length, u32 little-endian, and that many bytes of
MessagePack. The process that helps sends `READY`, then each reply to an order."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from shared.errors import MISFITS, BadMessage

_LENGTH = struct.Struct("<I")
#: The first message of a process that helps.
READY = "ready"


def send(pipe: IO[bytes], message: object) -> None:
    """Raises OSError if the other side has ended."""
    data = msgspec.msgpack.encode(message)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes], kind: Any, most: int = 1 << 30) -> Any:
    """The next message, of this type; None if the other side has ended, or sends more than `most`
    bytes. Raises BadMessage."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length) if length <= most else b""
    if len(data) < length:
        return None
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except MISFITS as error:
        raise BadMessage(f"not a message of this pipe: {error}") from error


def orders(kind: Any) -> Iterator[Any]:
    """In a process that helps: it is ready, and gets orders until the other side ends."""
    reply(READY)
    while (order := receive(sys.stdin.buffer, kind)) is not None:
        yield order


def reply(message: object) -> None:
    """In a process that helps: send a reply to an order."""
    send(sys.stdout.buffer, message)
