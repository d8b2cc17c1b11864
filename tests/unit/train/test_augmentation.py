"""Augmentation of training images is random, and reproducible."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.recipes import RECIPES, Recipe
from worker.datasets.examples import Images
from worker.train.augmentation import augmented

seeds = st.integers(0, 2**32 - 1)
epochs = st.integers(0, 1000)


def _images(seed: int, count: int = 20, shape: tuple[int, int, int] = (6, 5, 1)) -> Images:
    return np.random.default_rng(seed).integers(1, 256, (count, *shape)).astype(np.uint8)


def _augmented(images: Images, recipe: Recipe, seed: int, epoch: int) -> Images:
    rng = np.random.default_rng(seed)
    return augmented(images, np.arange(len(images)), recipe, epoch, rng)


@given(seeds, epochs)
def test_without_erasing_fast_only_shifts_and_mirrors(seed: int, epoch: int) -> None:
    images = _images(seed)
    changed = _augmented(images, msgspec.structs.replace(RECIPES["fast"], erase=0.0), seed, epoch)
    for before, after in zip(images, changed, strict=True):
        views = (before, before[:, ::-1])
        padded = [np.pad(view, ((1, 1), (1, 1), (0, 0))) for view in views]
        moved = [p[y : y + 6, x : x + 5] for p in padded for y in range(3) for x in range(3)]
        assert any((after == candidate).all() for candidate in moved)


def test_two_epochs_contain_each_image_once_in_each_direction() -> None:
    recipe = msgspec.structs.replace(RECIPES["fast"], shift_pixels=0, erase=0.0)
    images = _images(1, 50, (6, 6, 1))
    first, second = (_augmented(images, recipe, 1, epoch) for epoch in (4, 5))
    assert ((first == images).all((1, 2, 3)) != (second == images).all((1, 2, 3))).all()
