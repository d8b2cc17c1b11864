"""A WebP, of an animation its first frame."""

from __future__ import annotations

import io

from PIL.WebPImagePlugin import WebPImageFile

from worker.decoding.limits import MAX_WEBP_PIXELS, check_pixels


def read(data: bytes) -> WebPImageFile:
    """The decoded picture.

    Raises:
        ImageError: `too_large`.
        Exception: whatever Pillow raises for a damaged file.
    """
    image = WebPImageFile(io.BytesIO(data))
    check_pixels(image.size, MAX_WEBP_PIXELS)
    image.load()
    return image
