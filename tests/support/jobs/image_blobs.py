"""The content of a batch whose images travel as bytes."""

from __future__ import annotations

from shared.image_status import Status
from shared.messages.batch import decode_payload
from shared.messages.files import Reference


def decode_images(blob: bytes) -> list[bytes | Status]:
    """The images in a blob of `encode_images` without references. Raises BadMessage."""
    images = decode_payload(blob)
    whole = [image for image in images if not isinstance(image, Reference)]
    assert len(whole) == len(images), "it has references to files"
    return whole
