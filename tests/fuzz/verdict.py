"""The promise of decoding for any bytes, as functions that raise if it is broken."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from shared.errors import ImageError
from shared.messages.model_card import Preprocessing
from worker.decoding import png
from worker.decoding.decode import decode_into

#: The shipped model's with garment conversion, plain grey, and inverted colour.
SPECS = (
    Preprocessing(28, 28, 1, convert="garment"),
    Preprocessing(28, 28, 1),
    Preprocessing(32, 20, 3, ground=255, invert=True),
)


def check(data: bytes, spec: Preprocessing) -> bool:
    """Return whether the bytes are an image; other errors than ImageError propagate."""
    out = np.empty((spec.height, spec.width, spec.channels), np.uint8)
    try:
        decode_into(data, spec, out)
    except ImageError:
        return False
    return True


def check_plain(data: bytes) -> bool:
    """Return whether the hot path accepts the bytes.

    Raises:
        AssertionError: its pixels differ from Pillow's.
    """
    out = np.full((28, 28, 1), 77, np.uint8)
    if png.read_fast([data], out[np.newaxis]):
        assert (out == 77).all(), "the hot path declined after it had written"
        return False
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), out[:, :, 0])
    return True
