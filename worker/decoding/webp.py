"""WebP; of an animation, the first frame."""

from __future__ import annotations

import io

from PIL.WebPImagePlugin import WebPImageFile

from worker.decoding.size_limits import MAX_WEBP_PIXELS, check_pixels


def read(data: bytes) -> WebPImageFile:
    """The decoded image.

    Raises:
        ImageError: `too_large`.
        Exception: of any class that Pillow raises for a damaged file.
    """
    image = WebPImageFile(io.BytesIO(data))
    check_pixels(image.size, MAX_WEBP_PIXELS)
    image.load()
    return image
