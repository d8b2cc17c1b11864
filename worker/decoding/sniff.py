"""Which of the six formats some bytes are, by their first bytes and never by a file's name."""

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
#: "BM" alone also begins a text about BMW: the size of the header that follows must be known.
_BMP_HEADERS_BYTES = (12, 40, 52, 56, 64, 108, 124)
_BMP_PREFIX_BYTES = 18


def sniff(data: bytes) -> Kind:
    """The format of an encoded picture.

    Raises:
        ImageError: `unreadable` for no bytes or a beginning too short to tell, `unsupported`
            for anything else.
    """
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and data[12:16] in _WEBP_CHUNKS:
        return "WEBP"
    if data[:2] == b"BM" and _u32(data[14:18]) in _BMP_HEADERS_BYTES:
        return "BMP"
    raise ImageError(Status.UNREADABLE if _cut_short(data) else Status.UNSUPPORTED)


def _u32(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _cut_short(data: bytes) -> bool:
    """Whether more bytes could have made it one of the six."""
    if len(data) < _BMP_PREFIX_BYTES and data.startswith(b"BM"):
        return True
    riff = len(data) < 16 and data[:4] == b"RIFF"[: len(data)] and _webp_so_far(data)
    return riff or any(magic.startswith(data) for magic in _MAGIC) or b"BM".startswith(data)


def _webp_so_far(data: bytes) -> bool:
    name = data[8:16]
    return any((b"WEBP" + chunk).startswith(name) for chunk in _WEBP_CHUNKS)
