"""Different contents of one size and one CRC-32."""

from __future__ import annotations

import zlib

_MASK = 0xFFFFFFFF
_POLYNOMIAL = 0xEDB88320


def twin(content: bytes, other: bytes) -> bytes:
    """`other` with bytes after its end, so that it has the size and the CRC-32 of `content`, which
    must be longer by four bytes. Decoders of images ignore such bytes."""
    start = other + bytes(len(content) - len(other) - 4)
    end = _register_before(zlib.crc32(content) ^ _MASK) ^ zlib.crc32(start) ^ _MASK
    return start + end.to_bytes(4, "little")


def _register_before(register: int) -> int:
    """The register that four bytes of zero change to `register`."""
    for _ in range(4):
        byte = next(b for b in range(256) if _change(b) >> 24 == register >> 24)
        register = ((register ^ _change(byte)) << 8 | byte) & _MASK
    return register


def _change(byte: int) -> int:
    """The change of the register by a byte."""
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte
