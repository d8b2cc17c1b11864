"""Damaged, hostile and foreign files give an image or a status, and never an exception."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import tiff
from tests.support.images.image_zoo import broken, variants
from worker.decoding.decode import decode

GREY = Preprocessing(28, 28, 1)
COLOUR = Preprocessing(32, 20, 3, ground=255, invert=True)


@pytest.mark.parametrize("name", [*broken()])
def test_an_unreadable_file_has_its_status(name: str) -> None:
    data, status = broken()[name]
    assert _status(data) is status


@pytest.mark.parametrize(
    "name", ["la.png", "plain.tiff", "still.gif", "plain.bmp", "grey.jpg", "lossless.webp"]
)
def test_a_truncated_file_is_not_recognised_as_another_format(name: str) -> None:
    data = variants()[name]
    statuses = {_status(data[:length]) for length in range(len(data) // 2)}
    assert statuses == {Status.UNREADABLE}


@pytest.mark.parametrize("name", [*variants()])
@given(data=st.data())
def test_damage_anywhere_gives_an_image_or_a_refusal(name: str, data: st.DataObject) -> None:
    content = bytearray(variants()[name])
    for _ in range(data.draw(st.integers(1, 4))):
        # The start of a file decides most.
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, min(99, len(content) - 1)))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    for spec in (GREY, COLOUR):
        _check_any(bytes(content), spec)


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"MM\0+",
                        b"BM" + bytes(12) + b"\x28\0\0\0", b"RIFF\0\0\0\0WEBPVP8 "]),
       st.binary(max_size=300))  # fmt: skip
def test_any_bytes_after_any_magic_give_an_image_or_a_refusal(magic: bytes, rest: bytes) -> None:
    _check_any(magic + rest, GREY)


def test_the_old_jpeg_of_tiff_is_not_supported() -> None:
    tags = {256: (4, [28]), 257: (4, [28]), 258: (3, [8]), 259: (3, [6]), 262: (3, [1])}
    assert _status(tiff(tags, b"")) is Status.UNSUPPORTED


def _status(data: bytes) -> Status:
    with pytest.raises(ImageError) as caught:
        decode(data, GREY)
    return caught.value.status


def _check_any(data: bytes, spec: Preprocessing) -> None:
    # Anything that is not an ImageError fails the test.
    with contextlib.suppress(ImageError):
        result = decode(data, spec)
        assert result.shape == (spec.height, spec.width, spec.channels)
        assert result.dtype == np.uint8
