"""Photographs become images like those of the data set, which themselves stay unchanged."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from PIL import Image

from shared.errors import SetupError
from shared.image_status import Flag
from tests.support.images.encoders import save, turned
from tests.support.images.image_zoo import Bytes, garment, variants
from worker.datasets import fashion_mnist
from worker.datasets.demo import encoded, silhouette
from worker.datasets.fashion_mnist import PREPROCESSING as SPEC
from worker.decoding.decode import decode, decode_into
from worker.decoding.garment import in_form

LABELS = range(10)
GROUND = 253
#: The largest mean difference of a converted photograph and its drawing, of 255. Near black in a
#: drawing is near white on a photograph, and trimmed with the ground.
CLOSE = 12.0
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"]


def framed(image: Bytes, left: int, top: int, right: int, bottom: int, ground: int) -> Bytes:
    """A margin around an image uint8 [height, width]."""
    return np.pad(image, ((top, bottom), (left, right)), constant_values=ground)


def shot(image: Bytes, zoom: int = 4, ground: int = GROUND) -> Bytes:
    """Dark on a light ground, enlarged without loss."""
    large = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
    return (ground - large.astype(int) * ground // 255).astype(np.uint8)


def converted(photo: Bytes) -> tuple[Bytes, Flag]:
    out = np.zeros((28, 28, 1), np.uint8)
    flag = decode_into(encoded(photo), SPEC, out)
    return out[:, :, 0], flag


def images_of(split: fashion_mnist.Split) -> Bytes:
    try:
        return fashion_mnist.load(split, download=False)[0]
    except SetupError:
        return np.stack([silhouette(n % 10, n) for n in range(500)])


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_image_of_the_data_set_has_its_form(split: fashion_mnist.Split) -> None:
    assert all(in_form(image[..., np.newaxis]) for image in images_of(split))


@pytest.mark.parametrize("dark", [*product((False, True), repeat=4)])
def test_two_dark_corners_are_the_form_of_the_data_set(dark: tuple[bool, ...]) -> None:
    image = np.full((28, 20, 1), 200, np.uint8)
    image[[0, 0, -1, -1], [0, -1, 0, -1], 0] = [12 if corner else 13 for corner in dark]
    assert in_form(image) == (sum(dark) >= 2)


def test_a_small_photograph_is_subsampled_and_a_large_one_is_averaged_before() -> None:
    drawing = silhouette(1, 1)
    exact = converted(framed(shot(drawing, zoom=1), 4, 4, 4, 4, GROUND))[0]
    assert np.array_equal(converted(framed(shot(drawing, zoom=2), 4, 4, 4, 4, GROUND))[0], exact)
    stripes = np.tile(np.array([40, 160], np.uint8), (140, 70))
    inner = converted(framed(stripes, 9, 9, 9, 9, GROUND))[0][8:20, 8:20]
    assert int(inner.max()) - int(inner.min()) < 60


def test_a_garment_on_a_jpeg_is_found_by_its_colour() -> None:
    """Its left half is as bright as the ground."""
    photo = np.full((600, 600, 3), (60, 150, 60), np.uint8)
    photo[150:450, 100:300], photo[150:450, 300:500] = (200, 75, 90), 10
    image = Image.fromarray(photo)
    exact = decode(save(image, "PNG"), SPEC).astype(int)
    assert np.abs(decode(save(image, "JPEG", quality=95), SPEC) - exact).mean() < CLOSE


@pytest.mark.parametrize("name", [n for n in variants() if not n.endswith("jpg")])
def test_they_are_unchanged_in_every_lossless_format(name: str) -> None:
    assert np.array_equal(decode(variants()[name], SPEC)[:, :, 0], garment())


@pytest.mark.parametrize("ground", [255, GROUND, 230, 0])
def test_a_photograph_of_a_drawing_becomes_the_drawing(ground: int) -> None:
    for label in LABELS:
        drawing = silhouette(label, 3)
        photo = shot(drawing, ground=ground) if ground else drawing.repeat(4, 0).repeat(4, 1)
        result, flag = converted(framed(photo, 30, 20, 10, 50, ground))
        expected, _ = converted(framed(photo, 1, 1, 1, 1, ground))
        assert np.array_equal(result, expected), label
        assert flag is Flag.NONE
        dark, _ = converted(framed(drawing.repeat(4, 0).repeat(4, 1), 1, 1, 1, 1, 0))
        assert np.abs(result.astype(int) - dark).mean() < CLOSE


def test_an_image_and_its_negative_are_the_same_garment() -> None:
    for label in LABELS:
        photo = framed(shot(silhouette(label, 1)), 9, 9, 9, 9, GROUND)
        one, other = converted(photo)[0], converted(np.invert(photo))[0]
        # Rounding of the thumbnail, which sharpening amplifies.
        assert np.abs(one.astype(int) - other).max() <= 3, label


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_rotated_camera_does_not_matter(orientation: int) -> None:
    photo = framed(shot(garment()), 5, 9, 13, 2, GROUND)
    upright = decode(encoded(photo), SPEC)
    assert np.array_equal(decode(turned(photo, orientation), SPEC), upright)


def test_it_fills_the_frame_is_centred_and_has_a_black_ground() -> None:
    for label in LABELS:
        result, _ = converted(framed(shot(silhouette(label, 2)), 20, 20, 20, 20, GROUND))
        rows, columns = (np.flatnonzero((result > 0).any(axis=axis)) for axis in (1, 0))
        height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        assert max(height, width) == 28, label
        assert abs(int(rows[0]) - (27 - int(rows[-1]))) <= 1
        assert abs(int(columns[0]) - (27 - int(columns[-1]))) <= 1
        corners = result[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 0).all() or width == height


def test_transparent_pixels_become_white() -> None:
    photo = framed(shot(garment(), ground=255), 9, 9, 9, 9, 255)
    alpha = Image.fromarray(np.where(photo < 255, 255, 0).astype(np.uint8))
    cut = Image.fromarray(np.where(photo < 255, photo, 0).astype(np.uint8)).convert("RGBA")
    cut.putalpha(alpha)
    assert np.array_equal(decode(save(cut, "PNG"), SPEC)[:, :, 0], converted(photo)[0])


@pytest.mark.parametrize("across", [False, True])
def test_light_from_one_side_does_not_matter(across: bool) -> None:
    for label in LABELS:
        photo = framed(shot(silhouette(label, 1), ground=220), 15, 30, 25, 20, 220)
        light = np.linspace(-25, 25, photo.shape[across]).reshape((1, -1) if across else (-1, 1))
        lit = (photo + light * (photo / 220)).round().astype(np.uint8)
        (even, _), (uneven, flag) = converted(photo), converted(lit)
        assert np.abs(even.astype(int) - uneven).mean() < CLOSE, label
        assert flag is Flag.NONE


@pytest.mark.parametrize("busy", [False, True])
def test_a_ground_of_many_colours_is_flagged(busy: bool) -> None:
    photo = framed(shot(garment()), 20, 20, 20, 20, GROUND)
    if busy:
        boxes = (np.indices(photo.shape) // 9).sum(axis=0) % 2 * 200
        photo = np.where(photo == GROUND, boxes, photo).astype(np.uint8)
    assert converted(photo)[1] is (Flag.BUSY_BACKGROUND if busy else Flag.NONE)


@pytest.mark.parametrize("mode", MODES)
def test_any_size_and_mode_becomes_an_image(mode: str) -> None:
    sizes = [(1, 1), (1, 40), (40, 1), (5, 3), (28, 28), (2, 3000), (300, 200)]
    for size, plain in product(sizes, (False, True)):
        values = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), np.uint8)
        photo = Image.fromarray(np.full_like(values, 255) if plain else values)
        if (kind := {"I;16": np.uint16, "I": np.int32, "F": np.float32}.get(mode)) is not None:
            data = save(Image.fromarray(np.asarray(photo).astype(kind) * 200), "TIFF")
        else:
            data = save(photo.convert("RGB").convert(mode), "TIFF")
        result = decode(data, SPEC)
        assert result.shape == (28, 28, 1), size
        if plain and size != (28, 28):
            assert not result.any(), size
