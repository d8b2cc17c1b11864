"""What the blocks that do not learn compute for views of photos: once, and the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.recipes import RECIPES
from worker.datasets.examples import Images
from worker.learners.stored_views import PART_PHOTOS, stored_view, stored_views
from worker.training.augmentation import augmented

FINE, SEED, SIDE = RECIPES["photo-fine"], 3, 32
COUNT = 2 * PART_PHOTOS + 5


class Stop(Exception):
    """Ends an attempt."""


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(1).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)


def first_pixels(images: Images) -> Images:
    return images[:, :2, 0].reshape(len(images), -1)


def test_an_epoch_sees_the_views_of_augmentation_in_turn(images: Images, tmp_path: Path) -> None:
    rows = stored_views(first_pixels, images, 3, FINE, SEED, tmp_path, b"")
    numbers = np.array([200, 7, 131])
    for epoch in range(7):
        shown = augmented(images[numbers], numbers, FINE, SEED, epoch % 3)
        view = stored_view(rows[numbers], numbers, FINE, SEED, epoch)
        np.testing.assert_array_equal(view, first_pixels(shown))


def test_without_views_the_images_are_computed_as_they_are(images: Images, tmp_path: Path) -> None:
    rows = stored_views(first_pixels, images, 0, FINE, SEED, tmp_path, b"")
    np.testing.assert_array_equal(rows[:, 0], first_pixels(images))


def test_an_interrupted_attempt_computes_no_part_again(images: Images, tmp_path: Path) -> None:
    computed: list[int] = []

    def values(some: Images) -> Images:
        computed.append(len(some))
        return first_pixels(some)

    def stop(done: int, total: int) -> None:
        if done == 2 * PART_PHOTOS:
            raise Stop

    with pytest.raises(Stop):
        stored_views(values, images, 2, FINE, SEED, tmp_path, b"", stop)
    for _ in range(2):
        rows = stored_views(values, images, 2, FINE, SEED, tmp_path, b"")
    assert sum(computed) == 2 * COUNT
    whole = stored_views(first_pixels, images, 2, FINE, SEED, tmp_path / "whole", b"")
    np.testing.assert_array_equal(rows, whole)
    [file] = [path for path in tmp_path.iterdir() if path.is_file()]
    assert file.stat().st_size == rows.nbytes


def test_other_photos_another_seed_and_another_recipe_have_other_views(
    images: Images, tmp_path: Path
) -> None:
    other = RECIPES["photo-scratch"]
    for identity, recipe, seed in (
        (b"", FINE, 1),
        (b"a", FINE, 1),
        (b"", other, 1),
        (b"", FINE, 2),
    ):
        stored_views(first_pixels, images[:3], 1, recipe, seed, tmp_path, identity)
    assert len(list(tmp_path.iterdir())) == 4
