"""Properties of decoding for any bytes."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from shared.errors import ImageError
from shared.image_formats import FORMATS
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import png, save, tiff
from tests.support.images.image_zoo import Bytes, garment, variants
from worker.decoding import decode as decoding
from worker.decoding import png as png_files
from worker.decoding.decode import decode
from worker.demo.images import encoded

Wide = NDArray[np.int64]
GREY = Preprocessing(28, 28, 1)
INVERTED, GARMENT = (
    Preprocessing(28, 28, 1, invert=True),
    Preprocessing(28, 28, 1, convert="garment"),
)
EIGHT_BITS = st.integers(0, 255)
IMAGES = arrays(np.uint8, (28, 28), elements=EIGHT_BITS, fill=EIGHT_BITS)


def test_every_format_of_the_table_has_a_reader() -> None:
    assert [known.name for known in FORMATS] == list(decoding.READERS)


@given(IMAGES)
def test_a_grey_png_of_the_right_size_is_unchanged(image: Bytes) -> None:
    assert np.array_equal(decode(encoded(image), GREY)[:, :, 0], image)


@given(IMAGES, st.lists(st.integers(0, 4), min_size=28, max_size=28))
def test_every_filter_of_png_is_undone(image: Bytes, filters: list[int]) -> None:
    data = png((28, 28, 8, 0, 0), zlib.compress(_filtered(image, filters)))
    assert np.array_equal(decode(data, GREY)[:, :, 0], image)


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_the_hot_path_and_the_general_path_agree(image: Bytes) -> None:
    height, width = image.shape
    spec = Preprocessing(height, width, 1)
    hot, general = np.zeros((2, height, width, 1), np.uint8)
    assert not png_files.read_fast([encoded(image)], hot[np.newaxis])
    decoding.decode_by_format(encoded(image), spec, general)
    assert np.array_equal(hot, general)


def test_a_truncated_stream_contains_nothing_of_the_previous_image() -> None:
    decode(encoded(np.full((28, 28), 255, np.uint8)), GREY)
    half = png((28, 28, 8, 0, 0), zlib.compress(bytes(14 * 29)))
    assert not decode(half, GREY).any()


@pytest.mark.parametrize("name", [*variants()])
def test_a_garment_is_the_same_in_every_format(name: str) -> None:
    tolerance = 8 if name.endswith("jpg") else 0
    result = decode(variants()[name], GREY)[:, :, 0]
    assert np.abs(result.astype(int) - garment()).max() <= tolerance


def test_inversion_comes_last_and_includes_the_ground() -> None:
    wide = encoded(np.full((14, 28), 10, np.uint8))
    result = decode(wide, Preprocessing(28, 28, 1, ground=255, invert=True))[:, 0, 0]
    assert result.tolist() == [0] * 7 + [245] * 14 + [0] * 7
    exact = decode(encoded(garment()), Preprocessing(28, 28, 1, invert=True))
    assert np.array_equal(exact[:, :, 0], 255 - garment())


def test_a_warning_of_pillow_is_no_error() -> None:
    entry = struct.pack("<HHI", 305, 7, 10)  # the name of a program, beyond the end of the file
    tags = {256: (4, [28]), 257: (4, [28]), 258: (3, [8]), 262: (3, [1]), 273: (4, [-1]),
            278: (4, [28]), 279: (4, [784]), 305: (7, [65] * 10)}  # fmt: skip
    data = tiff(tags, garment().tobytes())
    at = data.index(entry) + len(entry)
    data = data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]
    assert np.array_equal(decode(data, GREY)[:, :, 0], garment())


def test_libtiff_does_not_print(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(save(Image.fromarray(garment()), "TIFF", compression="tiff_adobe_deflate"))
    data[data.index(b"\x78\x9c") : data.index(b"\x78\x9c") + 2] = b"??"
    assert _status(bytes(data)) is Status.UNREADABLE
    assert capfd.readouterr().err == ""


def test_threads_do_not_share_pages() -> None:
    images = [garment(seed) for seed in range(8)]
    files = [encoded(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda data: decode(data, GREY), files * 200))
    for i, result in enumerate(results):
        assert np.array_equal(result[:, :, 0], images[i % 8])


def _status(data: bytes) -> Status:
    with pytest.raises(ImageError) as caught:
        decode(data, GREY)
    return caught.value.status


def _filtered(image: Bytes, filters: list[int]) -> bytes:
    """The rows after PNG's filters 0 to 4 (none, sub, up, average, Paeth)."""
    padded = np.pad(image.astype(int), ((1, 0), (1, 0)))
    left, up, corner, here = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1], padded[1:, 1:]
    estimates = [np.zeros_like(here), left, up, (left + up) // 2, _paeth(left, up, corner)]
    rows = (
        bytes([kind]) + ((here[y] - estimates[kind][y]) % 256).astype(np.uint8).tobytes()
        for y, kind in enumerate(filters)
    )
    return b"".join(rows)


def _paeth(left: Wide, up: Wide, corner: Wide) -> Wide:
    distances = np.stack([np.abs(left + up - corner - near) for near in (left, up, corner)])
    nearest: Wide = np.choose(distances.argmin(axis=0), [left, up, corner])
    return nearest


@pytest.mark.parametrize("spec", [GREY, INVERTED, GARMENT])
def test_files_that_are_decoded_together_have_the_pixels_of_each_alone(spec: Preprocessing) -> None:
    files: list[bytes | Status] = [
        encoded(garment()), Status.MISSING, b"damaged", encoded(np.full((28, 28), 90, np.uint8)),
        encoded(np.full((40, 30), 7, np.uint8)), encoded(garment()),
    ]  # fmt: skip
    out = np.zeros((len(files), 28, 28, 1), np.uint8)
    others = decoding.decode_fast(files, spec, out)
    assert {1, 2, 4} <= set(others) < set(range(len(files)))
    for i, data in enumerate(files):
        if i not in others:
            assert isinstance(data, bytes)
            assert np.array_equal(out[i], decode(data, spec))


def test_without_pillows_own_decoder_the_general_path_decodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(png_files, "_pages", png_files._Pages())
    expected = decode(encoded(garment()), GREY)
    monkeypatch.setattr(png_files, "_pages", png_files._Pages())
    monkeypatch.delattr("PIL.Image.core.zip_decoder")
    assert png_files.read_fast([encoded(garment())], np.empty((1, 28, 28, 1), np.uint8))
    monkeypatch.undo()
    assert np.array_equal(decode(encoded(garment()), GREY), expected)
