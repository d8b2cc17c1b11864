"""`python -m worker.helpers.thumbnails`: makes small pictures of images for people, from the same
decoders as the network's input, in a process of its own that may be killed by any of them.

It gets bytes through a pipe (shared/messages/helpers.py), opens no files once it is ready, and has
limits on memory and time. A process that has died is replaced by the one that started it
(producer/pages/thumbnails.py).
"""

from __future__ import annotations

import io
import resource

import numpy as np
from PIL import Image, WebPImagePlugin  # noqa: F401  (loads the encoder)

from shared import process
from shared.errors import ImageError
from shared.messages.framing import orders, reply
from shared.messages.helpers import Thumbnail, ThumbnailOrder
from shared.messages.model_card import Preprocessing
from worker.classify.resource_limits import memory_limit, time_limit
from worker.decoding.decode import image_errors, read_image
from worker.decoding.letterbox import ORIENTATION, SIDEWAYS, fitted, shrunk, upright

#: The colour behind transparent pixels.
_GROUND = 255
#: Smaller pictures are few bytes without loss, and a loss would show when they are enlarged.
_LOSSLESS_PIXELS = 64 * 64
#: Tried in turn until a picture is small enough.
_QUALITIES = (80, 60, 40)
_SMALLEST_SIDE_PIXELS = 16
#: One image takes at most 0.8 GB (worker/decoding/size_limits.py).
MEMORY_BYTES = 1536 << 20
#: The largest images within the limits take 3 s.
TIME_LIMIT_S = 15.0


def thumbnail(order: ThumbnailOrder) -> Thumbnail:
    """The image as WebP: upright, uncropped, never enlarged, without metadata.

    Raises:
        ImageError: it cannot be decoded; no other exception is raised for any bytes.
    """
    with image_errors(len(order.data)):
        small = _reduced(order.data, order.side_pixels)
        while True:
            webp = _encoded(small, order.max_bytes)
            if webp:
                return Thumbnail(webp, *small.size)
            if min(small.size) < _SMALLEST_SIDE_PIXELS:
                return Thumbnail(why="It has no small picture.")
            small = small.reduce(2)


def _reduced(data: bytes, side: int) -> Image.Image:
    decoded = read_image(data, Preprocessing(side, side, 3))
    side = min(side, max(decoded.size))
    spec = Preprocessing(side, side, 3, ground=_GROUND)
    target = fitted(decoded.size, decoded.orientation, spec)
    small = upright(shrunk(decoded, target, "RGB", _GROUND), decoded.orientation)
    return Image.fromarray(np.asarray(small))  # pixels only: no profile, no comment


def _encoded(small: Image.Image, max_bytes: int) -> bytes:
    """The picture as WebP, with as much loss as the limit requires; empty if none suffices."""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        lossless = quality == _QUALITIES[0] and small.width * small.height <= _LOSSLESS_PIXELS
        small.save(stream, "WEBP", quality=quality, lossless=lossless)
        if len(data := stream.getvalue()) <= max_bytes:
            return data
    return b""


def warm_up() -> None:
    """Decode and encode one image of each format: later ones load no further module."""
    for kind, modes in _MODES.items():
        for mode in modes:
            stream = io.BytesIO()
            exif = Image.Exif()
            exif[ORIENTATION] = SIDEWAYS[0]
            more = {} if kind == "BMP" else {"exif": exif}
            Image.new(mode, (80, 60)).save(stream, kind, **more)
            thumbnail(ThumbnailOrder(stream.getvalue(), _WARM_UP_SIDE_PIXELS, _WARM_UP_BYTES))


#: As usual for the pages.
_WARM_UP_SIDE_PIXELS, _WARM_UP_BYTES = 192, 6_000
#: What is encoded of each format. The readers of the others load all that they need when they are
#: imported, and no encoder of these is as fast.
_MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB",),
    "BMP": ("RGB",),
    "GIF": ("RGB",),
    "TIFF": ("RGB",),
}


def main() -> None:
    """Serve until the input ends."""
    process.skip_last_search()
    warm_up()  # before files are out of reach
    with memory_limit(MEMORY_BYTES):
        _forbid_files()
        for order in orders(ThumbnailOrder):
            with time_limit(TIME_LIMIT_S):
                made = _thumbnail_or_reason(order)
            reply(made)


def _thumbnail_or_reason(order: ThumbnailOrder) -> Thumbnail:
    try:
        return thumbnail(order)
    except ImageError as error:
        return Thumbnail(why=error.status.sentence)


def _forbid_files() -> None:
    """No new descriptors, no files written, no core dumps: what is open stays usable."""
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))


if __name__ == "__main__":
    main()
