"""Size limits of an image. A larger one is `too_large` before memory is allocated for it.

Together they bound the memory for decoding any file to 0.8 GB, 8 bytes for each of 100 megapixels.
"""

from __future__ import annotations

from shared.errors import ImageError
from shared.image_status import Status

#: Pillow stores 4 bytes per colour pixel, and some decoders as much again.
MAX_PIXELS = 100_000_000
#: libjpeg reduces by 8 while it decodes and stores a few rows, unless it must store all scans.
MAX_JPEG_PIXELS = 200_000_000
#: Pillow decodes every WebP as an animation: 16 bytes per pixel.
MAX_WEBP_PIXELS = 50_000_000
#: Planes of up to 16 bits with transparency, and two copies in 8 bits: 16 bytes per pixel.
MAX_AVIF_PIXELS = 50_000_000
#: Pillow decodes these in Python, 1 us for 2 bytes and for each skipped pixel.
MAX_RUN_LENGTH_BMP = 10_000_000
#: Pillow stores a pointer per row. No camera or scanner makes a longer strip.
MAX_SIDE_PIXELS = 1_000_000


def check_pixels(size: tuple[int, int], limit: int = MAX_PIXELS) -> None:
    """Refuse a width and height in pixels whose product is above `limit`.

    Raises:
        ImageError: `too_large`.
    """
    if size[0] * size[1] > limit or max(size) > MAX_SIDE_PIXELS:
        raise ImageError(Status.TOO_LARGE)
