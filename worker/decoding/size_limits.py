"""Size limits of an image. A larger one is `too_large` before memory is allocated for it.

Together they bound the memory for decoding any file to 0.8 GB, 8 bytes for each of 100 megapixels.
"""

from __future__ import annotations

from shared.errors import ImageError
from shared.image_status import Status

#: Pillow stores 4 bytes per colour pixel, and some decoders as much again.
MAX_PIXELS = 100_000_000
#: Pillow stores a pointer per row. No camera or scanner makes a longer strip.
MAX_SIDE_PIXELS = 1_000_000


def check_pixels(size: tuple[int, int], limit: int = MAX_PIXELS) -> None:
    """Refuse a width and height in pixels whose product is above `limit`.

    Raises:
        ImageError: `too_large`.
    """
    if size[0] * size[1] > limit or max(size) > MAX_SIDE_PIXELS:
        raise ImageError(Status.TOO_LARGE)
