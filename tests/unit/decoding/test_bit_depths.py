"""Images with more than eight bits are scaled and never clipped."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import png, png_rows, tiff
from tests.support.images.pixel_tolerance import Values, near, random
from worker.decoding.decode import decode

SIDE = 12
GREY = Preprocessing(SIDE, SIDE, 1)


@given(arrays(np.uint16, (SIDE, SIDE)))
def test_sixteen_bits_are_scaled_in_order(values: NDArray[np.uint16]) -> None:
    result = decode(png((SIDE, SIDE, 16, 0, 0), png_rows(values[..., None], 16)), GREY)
    order = np.argsort(values.ravel(), kind="stable")
    assert (np.diff(result.ravel()[order].astype(int)) >= 0).all()
    assert np.array_equal(result[..., 0], values >> 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_sixteen_bits_of_a_tiff(order: str, packed: bool) -> None:
    values = random(SIDE, SIDE, high=1 << 16)
    data = _grey_tiff(values.astype(f"{order}u2").tobytes(), 16, 1, order, packed)
    assert np.array_equal(decode(data, GREY)[..., 0], values >> 8)


@pytest.mark.parametrize("packed", [False, True])
def test_sixteen_bits_of_a_tiff_whose_zero_is_white(packed: bool) -> None:
    values = random(SIDE, SIDE, high=1 << 16)
    data = _grey_tiff(values.astype("<u2").tobytes(), 16, 1, packed=packed, photometric=0)
    assert np.array_equal(decode(data, GREY)[..., 0], 255 - (values >> 8))


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_of_a_tiff_whose_zero_is_white(order: str) -> None:
    values = np.linspace(0, 1, SIDE * SIDE)
    data = _grey_tiff(values.astype(f"{order}f4").tobytes(), 32, 3, order, photometric=0)
    near(decode(data, GREY), 255 - values * 255)


def test_twelve_bits_of_a_tiff() -> None:
    values = random(SIDE, SIDE, high=1 << 12)
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 4:]
    data = _grey_tiff(np.packbits(bits).tobytes(), 12, 1)
    assert np.array_equal(decode(data, GREY)[..., 0], values >> 4)


@pytest.mark.parametrize(
    ("kind", "values", "white"),
    [
        ("<f4", np.linspace(0, 1, SIDE * SIDE), 1),
        ("<f4", np.linspace(0, 255, SIDE * SIDE), 255),
        ("<f4", np.linspace(0, 1e20, SIDE * SIDE), 1e20),
        ("<i4", np.linspace(0, 60_000, SIDE * SIDE).astype(int), 65_535),
        ("<i4", np.linspace(0, 2e9, SIDE * SIDE).astype(int), 2**32 - 1),
    ],
)
def test_wide_values_are_scaled_to_the_white_of_their_range(
    kind: str, values: Values, white: float
) -> None:
    data = _grey_tiff(values.astype(kind).tobytes(), 32, 3 if kind == "<f4" else 2)
    near(decode(data, GREY), values * (255 / white))


@pytest.mark.parametrize(
    ("special", "expected"),
    [((np.nan, 1, 0), [0, 255, 0]), ((np.inf, -np.inf, 1), [255, 0, 255])],
)
def test_special_float_values_are_black_or_white(
    special: tuple[float, ...], expected: list[int]
) -> None:
    values = np.full(SIDE * SIDE, 0.5, "<f4")
    values[:3] = special
    result = decode(_grey_tiff(values.tobytes(), 32, 3), GREY).ravel()
    assert result[:4].tolist() == [*expected, 127]


def _grey_tiff(
    body: bytes,
    bits: int,
    sample_format: int,
    order: str = "<",
    packed: bool = False,
    photometric: int | None = 1,
) -> bytes:
    """`photometric`: 0 if zero is white, 1 if it is black, None without the tag."""
    body = zlib.compress(body) if packed else body
    compression = 8 if packed else 1
    tags = {256: (4, [SIDE]), 257: (4, [SIDE]), 258: (3, [bits]), 259: (3, [compression]),
            273: (4, [-1]), 277: (3, [1]), 278: (4, [SIDE]), 279: (4, [len(body)]),
            339: (3, [sample_format])}  # fmt: skip
    if photometric is not None:
        tags[262] = (3, [photometric])
    return tiff(tags, body, order)
