"""What decoding promises for any bytes at all."""

from __future__ import annotations

import contextlib
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

from shared.card import Preprocessing
from shared.errors import ImageError
from shared.status import Status
from tests.encoders import png, save, tiff
from tests.pictures import Bytes, broken, garment, variants
from worker import decode as decoding
from worker import plain_png
from worker.decode import decode, decode_into
from worker.samples import encoded

Wide = NDArray[np.int64]
GREY = Preprocessing(28, 28, 1)
COLOUR = Preprocessing(32, 20, 3, ground=255, invert=True)
EIGHT_BITS = st.integers(0, 255)
PICTURES = arrays(np.uint8, (28, 28), elements=EIGHT_BITS, fill=EIGHT_BITS)


@given(PICTURES)
def test_a_grey_png_of_the_right_size_passes_byte_for_byte(image: Bytes) -> None:
    assert np.array_equal(decode(encoded(image), GREY)[:, :, 0], image)


@given(PICTURES, st.lists(st.integers(0, 4), min_size=28, max_size=28))
def test_every_filter_of_png_is_undone(image: Bytes, filters: list[int]) -> None:
    data = png((28, 28, 8, 0, 0), zlib.compress(_filtered(image, filters)))
    assert np.array_equal(decode(data, GREY)[:, :, 0], image)


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_the_hot_path_and_the_general_path_agree(image: Bytes) -> None:
    height, width = image.shape
    spec = Preprocessing(height, width, 1)
    hot, general = np.zeros((2, height, width, 1), np.uint8)
    assert plain_png.read(encoded(image), hot)
    decoding._decode_any(encoded(image), spec, general)
    assert np.array_equal(hot, general)


def test_the_hot_path_is_taken_for_what_samples_write() -> None:
    assert plain_png.read(encoded(garment()), np.empty((28, 28, 1), np.uint8))


def test_a_stream_that_ends_early_shows_nothing_of_the_picture_before() -> None:
    decode(encoded(np.full((28, 28), 255, np.uint8)), GREY)
    half = png((28, 28, 8, 0, 0), zlib.compress(bytes(14 * 29)))
    assert not decode(half, GREY).any()


@pytest.mark.parametrize("name", [*broken(garment())])
def test_what_cannot_be_read_has_its_status(name: str) -> None:
    data, status = broken(garment())[name]
    assert _status(data) is status


@pytest.mark.parametrize("name", [*variants(garment())])
def test_a_garment_is_itself_in_every_format(name: str) -> None:
    tolerance = 8 if name.endswith("jpg") else 0
    result = decode(variants(garment())[name], GREY)[:, :, 0]
    assert np.abs(result.astype(int) - garment()).max() <= tolerance


@pytest.mark.parametrize("name", ["la.png", "plain.tiff", "still.gif", "plain.bmp", "grey.jpg"])
def test_no_beginning_of_a_file_is_taken_for_another_format(name: str) -> None:
    data = variants(garment())[name]
    statuses = {_status(data[:length]) for length in range(len(data) // 2)}
    assert statuses == {Status.UNREADABLE}


def test_no_beginning_of_a_png_is_a_picture() -> None:
    data = encoded(garment())
    assert {_status(data[:length]) for length in range(len(data))} == {Status.UNREADABLE}


def test_no_flipped_bit_of_a_png_goes_unnoticed() -> None:
    data = encoded(garment())
    for at in range(len(data)):
        for bit in range(8):
            damaged = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            assert _status(damaged) in {Status.UNREADABLE, Status.UNSUPPORTED}


def test_more_bytes_than_the_limit_are_too_large() -> None:
    assert _status(encoded(garment()) + bytes(64 << 20)) is Status.TOO_LARGE


@pytest.mark.parametrize("name", [*variants(garment())])
@given(data=st.data())
def test_damage_anywhere_gives_a_picture_or_a_refusal(name: str, data: st.DataObject) -> None:
    content = bytearray(variants(garment())[name])
    for _ in range(data.draw(st.integers(1, 4))):
        # Most of what decides a file stands at its beginning.
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, min(99, len(content) - 1)))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    for spec in (GREY, COLOUR):
        _check_any(bytes(content), spec)


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"MM\0+",
                        b"BM" + bytes(12) + b"\x28\0\0\0", b"RIFF\0\0\0\0WEBPVP8 "]),
       st.binary(max_size=300))  # fmt: skip
def test_any_bytes_behind_any_magic(magic: bytes, rest: bytes) -> None:
    _check_any(magic + rest, GREY)


def test_only_its_own_row_of_a_batch_is_written() -> None:
    batch = np.full((3, 28, 28, 1), 77, np.uint8)
    decode_into(encoded(garment()), GREY, batch[1])
    assert np.array_equal(batch[1, :, :, 0], garment())
    assert (batch[[0, 2]] == 77).all()


def test_inverting_comes_last_and_includes_the_ground() -> None:
    wide = encoded(np.full((14, 28), 10, np.uint8))
    result = decode(wide, Preprocessing(28, 28, 1, ground=255, invert=True))[:, 0, 0]
    assert result.tolist() == [0] * 7 + [245] * 14 + [0] * 7
    exact = decode(encoded(garment()), Preprocessing(28, 28, 1, invert=True))
    assert np.array_equal(exact[:, :, 0], 255 - garment())


def test_what_pillow_warns_of_is_no_fault() -> None:
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


def _check_any(data: bytes, spec: Preprocessing) -> None:
    # Anything that is not an ImageError fails the test.
    with contextlib.suppress(ImageError):
        result = decode(data, spec)
        assert result.shape == (spec.height, spec.width, spec.channels)
        assert result.dtype == np.uint8


def _filtered(image: Bytes, filters: list[int]) -> bytes:
    """The rows as PNG's filters 0 to 4 (none, sub, up, average, Paeth) make them."""
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
