"""BMP; the rare run-length encoding has its own limits."""

from __future__ import annotations

import io

from PIL.BmpImagePlugin import BmpImageFile

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.size_limits import check_pixels

#: Pillow decodes these in Python, 1 us for 2 bytes and for each skipped pixel.
MAX_RUN_LENGTH_BMP = 10_000_000
_RUN_LENGTH = (BmpImageFile.COMPRESSIONS["RLE8"], BmpImageFile.COMPRESSIONS["RLE4"])


def read(data: bytes) -> BmpImageFile:
    """The decoded image.

    Raises:
        ImageError: `too_large`.
        Exception: of any class that Pillow raises for a damaged file.
    """
    image = BmpImageFile(io.BytesIO(data))
    check_pixels(image.size)
    if image.info["compression"] in _RUN_LENGTH:
        check_pixels(image.size, MAX_RUN_LENGTH_BMP)
        if len(data) > MAX_RUN_LENGTH_BMP:
            raise ImageError(Status.TOO_LARGE)
    image.load()
    return image
