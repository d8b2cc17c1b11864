"""From the bytes of a file to the network's input: the one way, for training and classifying.

In order: how many bytes, which format, how many pixels, decode (JPEG in reduced size), flatten,
letterbox, turn upright, invert; or convert as a garment. Every refusal is an ImageError with the
status of its row.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.errors import ImageError
from shared.image_status import Flag, Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.model_card import Preprocessing
from worker.decoding import bmp, fast_png, gif, jpeg, png, tiff, webp
from worker.decoding.limits import MAX_PIXELS
from worker.decoding.sniff import Kind, sniff
from worker.preprocessing import garment
from worker.preprocessing.letterbox import Picture, place
from worker.preprocessing.orientation import orientation_of

#: Pillow itself refuses at twice this, some formats before this code could ask for their size.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
# Some of its faults are logged as well as raised: noise, once per damaged file.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
logger = logging.getLogger(__name__)

_READERS: dict[Kind, Callable[[bytes], Image.Image]] = {
    "PNG": png.read,
    "WEBP": webp.read,
    "BMP": bmp.read,
    "GIF": gif.read,
}


def decode(data: bytes, spec: Preprocessing) -> NDArray[np.uint8]:
    """The picture in `data` as uint8 [height, width, channels].

    Raises:
        ImageError: it cannot be; the only exception, for any bytes.
    """
    out: NDArray[np.uint8] = np.empty((spec.height, spec.width, spec.channels), np.uint8)
    decode_into(data, spec, out)
    return out


def decode_into(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> Flag:
    """The same into `out`, uint8 [height, width, channels]: a row of a batch, say.

    Answers what is odd about the picture's background, as far as it was looked at.

    Raises:
        ImageError: as `decode`; `out` may then hold anything.
    """
    flag = Flag.NONE
    if not _is_plain(data, spec, out):
        flag = _decode_any(data, spec, out)
    if spec.invert:
        np.invert(out, out=out)
    return flag


def _is_plain(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> bool:
    """Whether the hot path has filled `out`, and that is all there is to do."""
    if spec.channels != 1 or not fast_png.read(data, out):
        return False
    return spec.convert == "letterbox" or garment.in_form(out)


def _decode_any(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> Flag:
    try:
        # The state is the process's: threads that meet here may lose a warning, nothing else.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = _open(data, spec)
            if spec.convert == "garment":
                return garment.place(picture, spec, out)
            place(picture, spec, out)
            return Flag.NONE
    except ImageError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageError(Status.TOO_LARGE) from error
    except Exception as error:
        # Pillow's plugins raise whatever their parsing runs into.
        logger.debug("a picture of %d bytes is unreadable", len(data), exc_info=True)
        memory = "out of memory" in str(error)
        raise ImageError(Status.TOO_LARGE if memory else Status.UNREADABLE) from error


def _open(data: bytes, spec: Preprocessing) -> Picture:
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(Status.TOO_LARGE)
    kind = sniff(data)
    if kind == "TIFF":
        return tiff.read(data)
    if kind == "JPEG":
        return jpeg.read(data, spec)
    image = _READERS[kind](data)
    return Picture(image, orientation_of(image), image.size)
