"""The modes that Pillow writes, through every format that supports them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import save
from tests.support.images.pixel_tolerance import luma, near, random
from worker.decoding import letterbox
from worker.decoding.decode import decode

SIDE = 12
GREY, RGB = Preprocessing(SIDE, SIDE, 1), Preprocessing(SIDE, SIDE, 3)
#: Formats and the modes in which Pillow writes them.
MODES = {"TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA"),
         "BMP": ("1", "L", "P", "RGB"), "PNG": ("1", "L", "P", "RGB", "RGBA", "LA"),
         "GIF": ("1", "L", "P", "RGB"), "WEBP": ("L", "RGB", "RGBA")}  # fmt: skip
WRITTEN = [(kind, mode) for kind, modes in MODES.items() for mode in modes]
OPTIONS: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}}


@pytest.mark.parametrize(("kind", "mode"), WRITTEN)
def test_the_opaque_modes_that_pillow_writes(kind: str, mode: str) -> None:
    rgb = random(SIDE, SIDE, 3).astype(np.uint8)
    data = save(Image.fromarray(rgb).convert(mode), kind, **OPTIONS.get(kind, {}))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    near(decode(data, RGB), expected)
    near(decode(data, GREY), luma(expected), 1.5)


def test_cmyk_of_a_jpeg() -> None:
    image = Image.new("RGB", (SIDE, SIDE), (200, 40, 90))
    data = save(image.convert("CMYK"), "JPEG", quality=100)
    near(decode(data, RGB), np.tile([200, 40, 90], (SIDE, SIDE, 1)), 6)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "F"])
def test_an_image_decoded_in_parts_equals_the_image_decoded_in_one(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = random(97, 130, 3).astype(np.uint8)
    image = Image.fromarray(values)
    image = image.convert("F").convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    kind = "TIFF" if mode == "F" else "PNG"
    monkeypatch.setattr(letterbox, "_REDUCED_SIDE_PIXELS", 10)
    whole = decode(save(image, kind), RGB)
    monkeypatch.setattr(letterbox, "_PART_SIDE_PIXELS", 10)
    assert np.array_equal(decode(save(image, kind), RGB), whole)


@pytest.mark.parametrize(
    "size", [(2048, 2048), (2048, 700), (700, 2048), (4096, 2048), (3077, 3077)]
)
def test_a_large_image_is_used_whole(size: tuple[int, int]) -> None:
    """The first part of some of them has the size of the whole image after its reduction."""
    width, height = size
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, width // 2, height))
    image.paste((0, 255, 0), (0, height // 2, width, height))
    small = decode(save(image, "PNG"), Preprocessing(224, 224, 3)).astype(int)
    shares = [int((small[:, :, channel] > 128).sum()) / 224**2 for channel in range(3)]
    lost = 1 - min(size) / max(size)
    expected = [(1 - lost) * share for share in (0.25, 0.5, 0.25)]
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_a_tiff_whose_zero_is_white_is_inverted_in_each_of_its_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = Image.fromarray(random(97, 130, high=1 << 16).astype(np.uint16))
    monkeypatch.setattr(letterbox, "_REDUCED_SIDE_PIXELS", 10)
    monkeypatch.setattr(letterbox, "_PART_SIDE_PIXELS", 10)
    wide = Preprocessing(97, 130, 1)
    plain, inverted = (decode(save(image, "TIFF", tiffinfo={262: zero}), wide) for zero in (1, 0))
    near(inverted, 255 - plain.astype(int), 1)
