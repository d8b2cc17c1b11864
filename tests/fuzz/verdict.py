"""What decoding promises for any bytes, as a function that raises where it is broken."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from shared.errors import ImageError
from shared.messages.model_card import Preprocessing
from worker.decoding import fast_png
from worker.decoding.decode import decode_into

#: The packaged model's, grey with its grounds told apart, and colour that is turned and inverted.
SPECS = (
    Preprocessing(28, 28, 1, convert="garment"),
    Preprocessing(28, 28, 1),
    Preprocessing(32, 20, 3, ground=255, invert=True),
)


def check(data: bytes, spec: Preprocessing) -> bool:
    """Whether it is a picture; anything but a picture or an ImageError is an exception here."""
    out = np.empty((spec.height, spec.width, spec.channels), np.uint8)
    try:
        decode_into(data, spec, out)
    except ImageError:
        return False
    return True


def check_plain(data: bytes) -> bool:
    """Whether the hot path took it; if so, its pixels are Pillow's, or AssertionError."""
    out = np.full((28, 28, 1), 77, np.uint8)
    if not fast_png.read(data, out):
        assert (out == 77).all(), "it gave up after it had written"
        return False
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), out[:, :, 0])
    return True
