"""An AVIF is decoded if its AV1 data is as small as its container states, to one image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image

from shared.errors import ImageError
from shared.image_formats import format_of
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.av1 import (
    avif,
    frame_header,
    long_sequence,
    short_sequence,
    small_av1,
)
from tests.support.images.encoders import save
from worker.decoding.avif import frame_sizes
from worker.decoding.decode import decode

MAX_AVIF_PIXELS = 50_000_000
SPEC = Preprocessing(28, 28, 3)
SIDES = st.integers(1, 1 << 16)
LARGEST = (1 << 16, 1 << 16)
ID_BITS = st.just(0) | st.integers(3, 16)


def status(data: bytes) -> Status:
    try:
        decode(data, SPEC)
    except ImageError as error:
        return error.status
    return Status.OK


@given(SIDES, SIDES, ID_BITS, st.booleans(), st.booleans())
def test_a_frame_with_a_size_of_its_own_may_be_as_large_as_the_fields_allow(
    width: int, height: int, id_bits: int, timing: bool, own_size: bool
) -> None:
    data = long_sequence(width, height, id_bits, timing)
    data += frame_header(own_size, id_bits, timing)
    assert list(frame_sizes(data)) == [(width, height), LARGEST][: 1 + own_size]
    switch = long_sequence(width, height) + frame_header(own_size, kind=3)
    assert list(frame_sizes(switch)) == [(width, height), LARGEST]
    still = short_sequence(width, height) + frame_header(own_size)
    assert list(frame_sizes(still)) == [(width, height)]


@pytest.mark.parametrize("options", [{}, {"subsampling": "4:4:4"}, {"quality": 100},
                                     {"tile_rows": 1, "autotiling": False}])  # fmt: skip
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_sizes_agree_with_the_encoder(mode: str, options: dict[str, Any]) -> None:
    image = Image.linear_gradient("L").resize((300, 200)).convert("RGBA")
    image.putalpha(Image.radial_gradient("L").resize((300, 200)))
    data = save(image.convert(mode), "AVIF", **options)
    start = data.index(b"mdat") + 4
    assert set(frame_sizes(data[start:])) == {(300, 200)}
    assert status(data) is Status.OK


def test_of_an_animation_the_still_image_is_decoded() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "green", "blue")]
    data = save(frames[0], "AVIF", save_all=True, append_images=frames[1:], quality=100)
    assert data[8:12] == b"avis"
    expected = decode(save(frames[0], "PNG"), SPEC).astype(int)
    for brand in (b"avis", b"avif", b"mif1", b"msf1"):
        branded = data[:8] + brand + data[12:]
        assert np.abs(decode(branded, SPEC) - expected).max() <= 3


def test_a_container_that_understates_its_pixels_is_too_large() -> None:
    side = 1 + int(MAX_AVIF_PIXELS**0.5)
    assert status(avif(small_av1())) is Status.OK
    for first in (short_sequence(side, side), long_sequence(side, side)):
        assert status(avif(first + small_av1())) is Status.TOO_LARGE
        assert status(avif(small_av1() + first)) is Status.TOO_LARGE
    hidden = long_sequence(28, 28) + frame_header(own_size=True)
    assert status(avif(small_av1() + hidden)) is Status.TOO_LARGE


def test_without_libavif_an_avif_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    assert status(avif(small_av1())) is Status.UNSUPPORTED


def test_a_container_that_states_too_many_pixels_is_too_large() -> None:
    data = avif(small_av1())
    size = data.index(b"ispe") + 8
    wide = data[:size] + (1 << 15).to_bytes(4, "big") + (1 << 11).to_bytes(4, "big")
    assert status(wide + data[size + 8 :]) is Status.TOO_LARGE


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"avif\0\0\0\0avifmif1", "AVIF"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"avis\0\0\0\0msf1", "AVIF"),
        (b"isom\0\0\0\0avc1", None),
        (b"isomavif", None),
    ],
)
def test_brands_decide_which_container_is_an_avif(brands: bytes, expected: str | None) -> None:
    head = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands
    assert format_of(head + bytes(100)) == expected
