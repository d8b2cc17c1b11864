"""Damaged, hostile and foreign files give an image or a status, and never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


PLAIN = {256: (4, [28]), 257: (4, [28]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]),
         273: (4, [-1]), 278: (4, [28]), 279: (4, [784])}  # fmt: skip
TILED = {322: (4, [32]), 323: (4, [32]), 324: (4, [-1]), 325: (4, [1024])}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({259: (3, [6])}, Status.UNSUPPORTED),  # JPEG as in TIFF 6
        ({50706: (1, [1, 4, 0, 0])}, Status.UNSUPPORTED),  # DNG
        ({262: (3, [32803])}, Status.UNSUPPORTED),  # samples of a sensor
        ({256: (9, [28])}, Status.UNREADABLE),
        ({256: (3, [28, 28])}, Status.UNREADABLE),
        (TILED | {322: (9, [32])}, Status.UNREADABLE),
        ({34675: (7, [0] * 300_000)}, Status.OK),  # a profile of colours
        ({305: (7, [65])}, Status.OK),
        (TILED, Status.OK),
        ({}, Status.OK),
    ],
)
def test_a_tiff_has_its_status(tags: Mapping[int, Any], expected: Status) -> None:
    data = tiff({**PLAIN, **tags}, bytes(1024))
    if expected is Status.OK:
        assert not decode(data, GREY).any()
    else:
        assert _status(data) is expected


def _status(data: bytes) -> Status:
    with pytest.raises(ImageError) as caught:
        decode(data, GREY)
    return caught.value.status
