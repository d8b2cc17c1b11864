"""Damaged, hostile and foreign files give an image or a status, and never an exception."""

from __future__ import annotations

import pytest

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import tiff
from tests.support.images.image_zoo import broken, variants
from worker.decoding.decode import decode

GREY = Preprocessing(28, 28, 1)


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


def test_the_old_jpeg_of_tiff_is_not_supported() -> None:
    tags = {256: (4, [28]), 257: (4, [28]), 258: (3, [8]), 259: (3, [6]), 262: (3, [1])}
    assert _status(tiff(tags, b"")) is Status.UNSUPPORTED


def _status(data: bytes) -> Status:
    with pytest.raises(ImageError) as caught:
        decode(data, GREY)
    return caught.value.status
