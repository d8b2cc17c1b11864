"""Splits: stable, balanced, and never with the same image on two sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.datasets.examples import HELDOUT, TEST, TRAINING, UNDECIDED, Hashes, Parts, parts

SMALLEST_CLASS = 4

seeds = st.integers(0, 2**32 - 1)
counts = st.lists(st.integers(1, 60), min_size=1, max_size=5)
layouts = st.sampled_from([(UNDECIDED,), (TRAINING,), (TRAINING, TEST)])


def _hashes(rng: np.random.Generator, count: int) -> Hashes:
    return rng.integers(0, 2**64, count, np.uint64)


def _labels(sizes: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


def _undecided(labels: np.ndarray) -> Parts:
    return np.full(len(labels), UNDECIDED, np.int8)


@given(seeds, counts)
def test_the_order_of_the_images_does_not_matter(seed: int, sizes: list[int]) -> None:
    rng, labels = np.random.default_rng(seed), _labels(sizes)
    files, contents = _hashes(rng, len(labels)), _hashes(rng, len(labels))
    contents[::3] = contents[0]  # copies, also in other classes
    order = rng.permutation(len(labels))
    given = _undecided(labels)
    whole = parts(given, labels, files, contents)
    again = parts(given, labels[order], files[order], contents[order])
    if len(sizes) == 1:  # two small classes may both need a copy
        np.testing.assert_array_equal(again, whole[order])
    apart = [np.unique(whole[contents == content]) for content in contents]
    assert all(len(sides) == 1 for sides in apart)


@given(seeds, counts, layouts)
def test_every_class_of_enough_images_is_trained_on_and_held_out(
    seed: int, sizes: list[int], layout: tuple[int, ...]
) -> None:
    rng, labels = np.random.default_rng(seed), _labels(sizes)
    given = rng.choice(np.array(layout, np.int8), len(labels))
    files = _hashes(rng, len(labels))
    chosen = parts(given, labels, files, files)
    for label in range(len(sizes)):
        mine = chosen[(labels == label) & (given != TEST)]
        if len(mine) >= SMALLEST_CLASS:
            assert np.count_nonzero(mine == HELDOUT) >= 1
            assert np.count_nonzero(mine == TRAINING) >= 2
            assert TEST in given or np.count_nonzero(mine == TEST) >= 1


@given(seeds, st.integers(500, 2000))  # of fewer a part may be empty, and gets an image
def test_no_image_changes_sides_when_others_are_added_or_removed(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    files, labels = _hashes(rng, count), rng.integers(0, 2, count)
    stays = rng.random(count) < 0.7
    whole = parts(_undecided(labels), labels, files, files)
    fewer = parts(_undecided(labels[stays]), labels[stays], files[stays], files[stays])
    np.testing.assert_array_equal(fewer, whole[stays])


@pytest.mark.parametrize("layout", [(TRAINING, HELDOUT), (TRAINING, HELDOUT, TEST), (TEST,)])
def test_given_splits_are_unchanged(layout: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    given = rng.choice(np.array(layout, np.int8), 300)
    labels, files = rng.integers(0, 3, 300), _hashes(rng, 300)
    np.testing.assert_array_equal(parts(given, labels, files, files), given)
