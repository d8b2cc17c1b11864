"""Detects which of the six formats a file has, by its first bytes and never by its name."""

from __future__ import annotations

from typing import Literal

from shared.errors import ImageError
from shared.image_status import Status

Kind = Literal["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]

_MAGIC: dict[bytes, Kind] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # above 4 GiB, but also used for small files
    b"MM\0+": "TIFF",
}
_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X")
#: "BM" can also be the start of a text about BMW, so the size of the next header is checked.
_BMP_HEADERS_BYTES = (12, 40, 52, 56, 64, 108, 124)
_BMP_PREFIX_BYTES = 18


def sniff(data: bytes) -> Kind:
    """The format of an encoded image.

    Raises:
        ImageError: `unreadable` if there are too few bytes to detect it, `unsupported` for any
            other format.
    """
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and data[12:16] in _WEBP_CHUNKS:
        return "WEBP"
    if data[:2] == b"BM" and _u32(data[14:18]) in _BMP_HEADERS_BYTES:
        return "BMP"
    raise ImageError(Status.UNREADABLE if _is_truncated(data) else Status.UNSUPPORTED)


def _u32(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _is_truncated(data: bytes) -> bool:
    """Whether these bytes are the start of one of the six formats."""
    if len(data) < _BMP_PREFIX_BYTES and data.startswith(b"BM"):
        return True
    riff = len(data) < 16 and data[:4] == b"RIFF"[: len(data)] and _is_webp_prefix(data)
    return riff or any(magic.startswith(data) for magic in _MAGIC) or b"BM".startswith(data)


def _is_webp_prefix(data: bytes) -> bool:
    name = data[8:16]
    return any((b"WEBP" + chunk).startswith(name) for chunk in _WEBP_CHUNKS)
