"""WebP; of an animation, the first frame."""

from __future__ import annotations

import io

from PIL.WebPImagePlugin import WebPImageFile

from worker.decoding.size_limits import check_pixels

#: Pillow decodes every WebP as an animation: 16 bytes per pixel.
MAX_WEBP_PIXELS = 50_000_000


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
