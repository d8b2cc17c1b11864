"""Geometry: complete, centred, the aspect unchanged; and JPEGs that are reduced while decoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import save
from worker.datasets.demo import encoded
from worker.decoding.decode import decode
from worker.decoding.letterbox import fitted

SIDES = st.integers(1, 300)
FRAMES = st.integers(1, 64)


@given(SIDES, SIDES, FRAMES, FRAMES)
def test_the_complete_image_fills_one_side_and_is_centred(
    width: int, height: int, frame_w: int, frame_h: int
) -> None:
    spec = Preprocessing(frame_h, frame_w, 1, ground=7)
    result = decode(encoded(np.full((height, width), 250, np.uint8)), spec)[:, :, 0]
    w, h = fitted((width, height), 1, spec)
    assert w == frame_w or h == frame_h
    left, top = (frame_w - w) // 2, (frame_h - h) // 2
    expected = np.full((frame_h, frame_w), 7)
    expected[top : top + h, left : left + w] = 250
    assert np.array_equal(result, expected)


@given(st.integers(8, 300), st.integers(8, 300))
def test_no_edge_is_cropped(width: int, height: int) -> None:
    assume(max(width, height) < 8 * min(width, height))
    image = np.zeros((height, width), np.uint8)
    rim_y, rim_x = -(-height // 6), -(-width // 6)
    image[:rim_y] = image[-rim_y:] = 255
    image[:, :rim_x] = image[:, -rim_x:] = 255
    spec = Preprocessing(28, 28, 1)
    w, h = fitted((width, height), 1, spec)
    left, top = (28 - w) // 2, (28 - h) // 2
    inner = decode(encoded(image), spec)[top : top + h, left : left + w, 0]
    corners = inner[0, 0], inner[0, -1], inner[-1, 0], inner[-1, -1]
    assert min(int(c) for c in corners) > 150


@given(arrays(np.uint8, (5, 7)), st.integers(1, 40))
def test_an_enlarged_image_is_restored(image: NDArray[np.uint8], zoom: int) -> None:
    enlarged = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
    result = decode(encoded(enlarged), Preprocessing(5, 7, 1))[:, :, 0]
    assert np.abs(result.astype(int) - image).max() <= 1


@pytest.mark.parametrize(("side", "limit"), [(28, 8), (224, 2)])
@given(st.integers(60, 900), st.integers(60, 900), st.sampled_from([1, 3]))
def test_reducing_while_decoding_changes_little(
    side: int, limit: int, width: int, height: int, channels: int
) -> None:
    """At 28 pixels one pixel is a large part of these clouds."""
    spec = Preprocessing(side, side, channels)
    data = save(_smooth(width, height), "JPEG", quality=95)
    reduced = decode(data, spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JpegImageFile, "draft", lambda *_: None)
        full = decode(data, spec)
    assert np.abs(reduced.astype(int) - full).mean() < limit


@given(st.integers(28, 3000), st.integers(28, 3000))
def test_a_jpeg_is_never_reduced_below_the_needed_size(width: int, height: int) -> None:
    sizes: list[tuple[int, int]] = []
    spec, load = Preprocessing(28, 28, 1), JpegImageFile.load

    def spy(image: JpegImageFile) -> object:
        sizes.append(image.size)
        return load(image)

    data = save(Image.new("L", (width, height)), "JPEG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JpegImageFile, "load", spy)
        decode(data, spec)
    needed = fitted((width, height), 1, spec)
    for have, original, want in zip(sizes[0], (width, height), needed, strict=True):
        assert have >= min(original, want)


def _smooth(width: int, height: int) -> Image.Image:
    """Clouds of colour, the same at every size."""
    seeds = np.random.default_rng(5).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    return Image.fromarray(seeds).resize((width, height), Image.Resampling.BICUBIC)
