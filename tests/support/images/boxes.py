"""Boxes of AVIF and HEIF files, for files that no encoder writes."""

from __future__ import annotations

import struct


def box(name: bytes, *parts: bytes) -> bytes:
    """A box with this content."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def full_box(name: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box that states its version."""
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


def file_type(*brands: bytes) -> bytes:
    """The start of a file; the first brand is the major one."""
    return box(b"ftyp", brands[0], bytes(4), *brands)


def many_places() -> bytes:
    """A table of places of 65,535 pieces each, whose fields have no width."""
    items = 5_000
    table = struct.pack(">HHH", 1, 0, 65_535) * items
    return full_box(b"iloc", 0, 0, bytes(2), struct.pack(">H", items), table)
