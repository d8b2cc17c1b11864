"""Properties of decoding for any bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from shared.errors import ImageError
from shared.image_formats import FORMATS
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.encoders import chunk, png, save, tiff
from tests.support.images.image_zoo import Bytes, garment, variants
from worker.datasets.demo import encoded
from worker.decoding import decode as decoding
from worker.decoding import png as png_files
from worker.decoding.decode import decode

GREY = Preprocessing(28, 28, 1)
INVERTED, GARMENT = (
    Preprocessing(28, 28, 1, invert=True),
    Preprocessing(28, 28, 1, convert="garment"),
)


def test_every_format_of_the_table_has_a_reader() -> None:
    assert [known.name for known in FORMATS] == list(decoding.READERS)


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_the_hot_path_and_the_general_path_agree(image: Bytes) -> None:
    height, width = image.shape
    spec = Preprocessing(height, width, 1)
    hot, general = np.zeros((2, height, width, 1), np.uint8)
    assert not png_files.read_fast([encoded(image)], hot[np.newaxis])
    decoding.decode_by_format(encoded(image), spec, general)
    assert np.array_equal(hot, general)


@pytest.mark.parametrize("channels", [1, 3])
def test_no_flipped_bit_of_a_png_is_overlooked(channels: int) -> None:
    data = encoded(garment())
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(ImageError):
            decode(flipped, Preprocessing(28, 28, channels))


def test_only_chunks_that_affect_the_pixels_are_read() -> None:
    data, note = encoded(garment()), chunk(b"tEXt", b"a note")
    noted = data[:33] + note[:-1] + b"?" + data[33:]  # a wrong checksum
    assert np.array_equal(decode(noted, GREY)[:, :, 0], garment())
    renamed = png((28, 28, 8, 0, 0), b"").replace(chunk(b"IDAT", b""), chunk(b"fdAT", _idat(data)))
    assert _status(renamed) is Status.UNREADABLE


def _idat(data: bytes) -> bytes:
    """The pixels of a PNG with one chunk of them."""
    return data[41:-16]


def test_with_a_pillow_that_shares_no_memory_pixels_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def copied(mode: str, size: tuple[int, int], data: Bytes, *_: object) -> Image.Image:
        return Image.frombytes(mode, size, data.tobytes())

    monkeypatch.setattr(Image, "frombuffer", copied)
    image = np.arange(13 * 19, dtype=np.uint8).reshape(13, 19)  # of a size that no other test has
    assert np.array_equal(decode(encoded(image), Preprocessing(13, 19, 1))[:, :, 0], image)


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


def _status(data: bytes) -> Status:
    with pytest.raises(ImageError) as caught:
        decode(data, GREY)
    return caught.value.status


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
