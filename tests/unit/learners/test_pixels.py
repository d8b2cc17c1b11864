"""The pixels of photos: as decoded for classifying, stored once, and of unchanged files only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Preprocessing
from tests.support.images import shapes
from worker.backbones.photo_features import PhotoFeatures
from worker.decoding.decode import decode
from worker.learners.pixels import pixels

SPEC = Preprocessing(40, 48, 3)


@pytest.fixture
def photos(tmp_path: Path) -> PhotoFeatures:
    root = tmp_path / "photos"
    shapes.write(root, "circle", 21)
    paths = sorted(root.rglob("*.*"))
    digests = [np.frombuffer(hashlib.sha256(one.read_bytes()).digest(), np.uint8) for one in paths]
    none = np.zeros((len(paths), 0), np.float32)
    return PhotoFeatures(
        [bytes(path) for path in paths],
        np.zeros(len(paths), np.int64),
        np.zeros(len(paths), np.int8),
        np.stack(digests),
        np.arange(len(paths), dtype=np.uint64),
        none,
        none,
    )


def test_each_row_is_what_the_decoder_returns(photos: PhotoFeatures, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = pixels(photos, SPEC, tmp_path, lambda *progress: seen.append(progress))
    expected = [decode(Path(path.decode()).read_bytes(), SPEC) for path in photos.paths]
    np.testing.assert_array_equal(found, np.stack(expected))
    assert seen == [(16, 21)]


def test_a_second_attempt_decodes_nothing(photos: PhotoFeatures, tmp_path: Path) -> None:
    first = pixels(photos, SPEC, tmp_path).copy()
    for path in photos.paths:
        Path(path.decode()).unlink()
    np.testing.assert_array_equal(pixels(photos, SPEC, tmp_path), first)


@pytest.mark.parametrize("change", ["content", "deleted"])
def test_a_photo_that_changed_since_is_an_error(
    photos: PhotoFeatures, tmp_path: Path, change: str
) -> None:
    path = Path(photos.paths[3].decode())
    if change == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SetupError, match="was changed during the training"):
        pixels(photos, SPEC, tmp_path)
    assert not list(tmp_path.glob("pixels-*"))


def test_no_photos_have_no_pixels(photos: PhotoFeatures, tmp_path: Path) -> None:
    none = photos.where(np.zeros(21, bool))
    assert pixels(none, SPEC, tmp_path).shape == (0, 40, 48, 3)
