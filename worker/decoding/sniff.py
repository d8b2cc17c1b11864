"""Detects which of the decoded formats a file has, by its first bytes and never by its name."""

from __future__ import annotations

from shared.errors import ImageError
from shared.image_formats import HEAD_BYTES, MAGIC, WEBP_CHUNKS, ImageFormat, format_of
from shared.image_status import Status

_BMP_PREFIX_BYTES = 18
_BOX_BYTES = 16  #: size, name, brand and version at the start of an AVIF


def sniff(data: bytes) -> ImageFormat:
    """The format of an encoded image.

    Raises:
        ImageError: `unreadable` if there are too few bytes to detect it, `unsupported` for any
            other format.
    """
    kind = format_of(data[:HEAD_BYTES])
    if kind is None:
        raise ImageError(Status.UNREADABLE if _is_truncated(data) else Status.UNSUPPORTED)
    return kind


def _is_truncated(data: bytes) -> bool:
    """Whether these bytes are the start of one of the formats."""
    if len(data) < _BMP_PREFIX_BYTES and data.startswith(b"BM"):
        return True
    riff = len(data) < 16 and data[:4] == b"RIFF"[: len(data)] and _is_webp_prefix(data)
    box = len(data) < _BOX_BYTES and _is_avif_prefix(data)
    return riff or box or any(magic.startswith(data) for magic in MAGIC) or b"BM".startswith(data)


def _is_webp_prefix(data: bytes) -> bool:
    name = data[8:16]
    return any((b"WEBP" + chunk).startswith(name) for chunk in WEBP_CHUNKS)


def _is_avif_prefix(data: bytes) -> bool:
    return len(data) > 4 and b"ftyp".startswith(data[4:8]) and b"avi".startswith(data[8:11])
