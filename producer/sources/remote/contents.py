"""What came of an address: an image that may be decoded, or none."""

from __future__ import annotations

from shared.image_formats import HEAD_BYTES, is_misnamed, is_other_kind
from shared.image_status import Status


def judged(name: bytes, content: bytes) -> bytes | Status:
    """The bytes; `unsupported` for an image of a kind that is not decoded. As of a file
    (producer/sources/local/reader.py)."""
    if is_other_kind(name) and not is_misnamed(content[:HEAD_BYTES]):
        return Status.UNSUPPORTED
    return content
