"""Every kind of PNG, against its specification."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import chunk, png, png_rows
from tests.support.images.pixel_tolerance import Values, luma, near, over, random
from worker.decoding.decode import decode

SIDE = 12
#: Colour type of PNG -> samples per pixel, and the depths that it may have.
PNG_KINDS = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)),
             6: (4, (8, 16))}  # fmt: skip
PNG_CASES = [
    (colour, depth, interlace)
    for colour, (_, depths) in PNG_KINDS.items()
    for depth, interlace in itertools.product(depths, (False, True))
]


@pytest.mark.parametrize(("colour", "depth", "interlace"), PNG_CASES)
def test_every_kind_of_png(colour: int, depth: int, interlace: bool) -> None:
    samples_each, _ = PNG_KINDS[colour]
    samples = random(SIDE, SIDE, samples_each, high=1 << depth)
    palette = random(1 << min(depth, 8), 3).astype(np.uint8)
    extra = [chunk(b"PLTE", palette.tobytes())] if colour == 3 else []
    rows = png_rows(samples, depth, interlace)
    data = png((SIDE, SIDE, depth, colour, int(interlace)), rows, *extra)
    rgb, alpha = _expected(samples, depth, colour, palette)
    for ground in (0, 200):
        expected = over(rgb, alpha, ground)
        near(decode(data, Preprocessing(SIDE, SIDE, 3, ground)), expected)
        near(decode(data, Preprocessing(SIDE, SIDE, 1, ground)), luma(expected), 1.5)


def _expected(samples: Values, depth: int, colour: int, palette: Values) -> tuple[Values, Values]:
    """RGB and alpha of PNG samples, 0 to 255; of 16 bits the high byte."""
    if colour == 3:
        return palette[samples[..., 0]].astype(int), np.full(samples.shape[:2], 255)
    eight = samples >> 8 if depth == 16 else samples * 255 // ((1 << depth) - 1)
    opaque = np.full(samples.shape[:2], 255)
    alpha = eight[..., -1] if colour in (4, 6) else opaque
    rgb = eight[..., :3] if colour in (2, 6) else np.repeat(eight[..., :1], 3, axis=-1)
    return rgb, alpha


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png(depth: int) -> None:
    samples = random(SIDE, SIDE, 1, high=1 << depth)
    key = int(samples[3, 3, 0])
    trns = chunk(b"tRNS", key.to_bytes(2, "big"))
    data = png((SIDE, SIDE, depth, 0, 0), png_rows(samples, depth), trns)
    rgb, opaque = _expected(samples, depth, 0, samples)
    alpha = np.where(samples[..., 0] == key, 0, opaque)
    near(decode(data, Preprocessing(SIDE, SIDE, 1, 99)), over(rgb, alpha, 99)[..., 0])


@pytest.mark.parametrize("depth", [8, 16])
def test_the_transparent_colour_of_a_png(depth: int) -> None:
    white = 0x12FF >> (16 - depth)
    samples = random(SIDE, SIDE, 3, high=2) * white
    key = np.array([white, 0, white])
    trns = chunk(b"tRNS", key.astype(">u2").tobytes())
    data = png((SIDE, SIDE, depth, 2, 0), png_rows(samples, depth), trns)
    alpha = np.where((samples == key).all(axis=-1), 0, 255)
    rgb = samples >> (depth - 8)
    near(decode(data, Preprocessing(SIDE, SIDE, 3, 99)), over(rgb, alpha, 99))


def test_the_transparent_indices_of_a_png() -> None:
    samples = random(SIDE, SIDE, 1, high=4)
    palette = random(4, 3).astype(np.uint8)
    extra = chunk(b"PLTE", palette.tobytes()), chunk(b"tRNS", bytes((0, 100)))
    data = png((SIDE, SIDE, 2, 3, 0), png_rows(samples, 2), *extra)
    alpha = np.array([0, 100, 255, 255])[samples[..., 0]]
    near(decode(data, Preprocessing(SIDE, SIDE, 3, 99)), over(palette[samples[..., 0]], alpha, 99))
