"""Decodes the bytes of a file to the network's input, for training and classification alike.

The steps: check the size in bytes, detect the format, check the size in pixels, decode (JPEG at
reduced size), flatten, fit, rotate upright, pad, or convert as a garment; invert. Every refusal is
an ImageError with the status of its row.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.errors import ImageError
from shared.image_formats import HEAD_BYTES, format_of, is_truncated
from shared.image_status import Flag, Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.model_card import Preprocessing
from worker.decoding import avif, garment, heif, jpeg, plain_formats, png, tiff
from worker.decoding.letterbox import DecodedImage, orientation_of, place
from worker.decoding.size_limits import MAX_PIXELS

#: Pillow itself refuses at twice this, in some formats before this code can read their size.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
# Pillow logs some errors that it also raises: noise for each damaged file.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
logger = logging.getLogger(__name__)

Reader = Callable[[bytes, Preprocessing], DecodedImage]


def _whole(read: Callable[[bytes], Image.Image]) -> Reader:
    """The reader of a format that is decoded in its own size, with the orientation of its EXIF."""

    def read_upright(data: bytes, _: Preprocessing) -> DecodedImage:
        image = read(data)
        return DecodedImage(image, orientation_of(image), image.size)

    return read_upright


#: By the name in shared/image_formats.py.
READERS: dict[str, Reader] = {
    "JPEG": jpeg.read,
    "PNG": _whole(png.read),
    "WEBP": _whole(plain_formats.read_webp),
    "AVIF": _whole(avif.read),
    "HEIF": lambda data, _: heif.read(data),
    "BMP": _whole(plain_formats.read_bmp),
    "GIF": _whole(plain_formats.read_gif),
    "TIFF": lambda data, _: tiff.read(data),
}


def decode(data: bytes, spec: Preprocessing) -> NDArray[np.uint8]:
    """The image in `data` as uint8 [height, width, channels].

    Raises:
        ImageError: it cannot be decoded; no other exception is raised for any bytes.
    """
    out: NDArray[np.uint8] = np.empty((spec.height, spec.width, spec.channels), np.uint8)
    decode_into(data, spec, out)
    return out


def decode_into(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> Flag:
    """Decode into `out`, uint8 [height, width, channels], for example a row of a batch.

    Returns a flag about the image's background, if it was analyzed.

    Raises:
        ImageError: as `decode`; the content of `out` is then undefined.
    """
    if not decode_fast([data], spec, out[np.newaxis]):
        return Flag.NONE
    return decode_by_format(data, spec, out)


def decode_by_format(data: bytes, spec: Preprocessing, out: NDArray[np.uint8]) -> Flag:
    """Like `decode_into`, for an image that `decode_fast` has left."""
    flag = Flag.NONE
    with image_errors(len(data)):
        decoded = read_image(data, spec)
        if spec.convert == "garment":
            flag = garment.place(decoded, spec, out)
        else:
            place(decoded, spec, out)
    if spec.invert:
        np.invert(out, out=out)
    return flag


def decode_fast(
    files: Sequence[bytes | Status], spec: Preprocessing, out: NDArray[np.uint8]
) -> list[int]:
    """Decode files into `out`, uint8 [n, height, width, channels], by the hot path. Returns the
    indices of the others, of which `out` is undefined; `decode_by_format` decodes each."""
    if spec.channels != 1:
        return list(range(len(files)))
    others = set(png.read_fast(files, out))
    if spec.convert != "letterbox":
        others.update(
            i for i in range(len(files)) if i not in others and not garment.in_form(out[i])
        )
    if spec.invert:
        np.invert(out, out=out)
    return sorted(others)


@contextmanager
def image_errors(size_bytes: int) -> Iterator[None]:
    """Turn every exception that decoding raises into an ImageError, and hide warnings."""
    try:
        # The filters are global: concurrent threads may lose a warning, nothing else.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageError(Status.TOO_LARGE) from error
    except Exception as error:
        # Pillow's plugins raise exceptions of any class.
        logger.debug("an image of %d bytes is unreadable", size_bytes, exc_info=True)
        out_of_memory = "out of memory" in str(error)
        raise ImageError(Status.TOO_LARGE if out_of_memory else Status.UNREADABLE) from error


def read_image(data: bytes, spec: Preprocessing) -> DecodedImage:
    """The image in `data`, at least as large as the conversion to `spec` needs. Its first bytes
    decide which format it has, never its name.

    Raises:
        Exception: of any class that a decoder raises; see `image_errors`.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(Status.TOO_LARGE)
    kind = format_of(data[:HEAD_BYTES])
    if kind is None:
        raise ImageError(Status.UNREADABLE if is_truncated(data) else Status.UNSUPPORTED)
    return READERS[kind](data, spec)
