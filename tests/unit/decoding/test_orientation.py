"""The eight orientations of EXIF."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import save, turned
from tests.support.images.image_zoo import garment
from tests.support.images.pixel_tolerance import near, random
from worker.decoding.decode import decode

SIDE = 12
OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_every_orientation_is_turned_upright(orientation: int, kind: str) -> None:
    image = random(9, SIDE).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    data = turned(image, orientation, kind, **OPTIONS.get(kind, {}))
    result = decode(data, Preprocessing(72, 96, 1))
    near(result, image, 60 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_has_the_orientation_of_its_exif_after_it_is_reduced(orientation: int) -> None:
    photo = np.kron(garment(), np.ones((16, 16), np.uint8))
    spec = Preprocessing(28, 28, 1)
    upright = decode(turned(photo, 1, "JPEG"), spec)
    data = turned(photo, orientation, "JPEG")
    near(decode(data, spec), upright, 12)
    other = b"\xff\xe1\0\x0ahttp://a"  # a block for another program, in front of it
    near(decode(data[:2] + other + data[2:], spec), upright, 12)


@pytest.mark.parametrize("block", [b"not a TIFF", b"MM\0*\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\5"])
def test_a_damaged_exif_block_does_not_prevent_decoding(block: bytes) -> None:
    exif = b"Exif\0\0" + block
    data = save(Image.fromarray(garment()), "PNG", exif=exif)
    assert np.array_equal(decode(data, Preprocessing(28, 28, 1))[..., 0], garment())
