"""Folds: stable in every retraining, never through a group, and no class in one fold alone."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from worker.heads.near_duplicates import FOLDS, FOLDS_OF_FEW, alike, fold_count, folds

seeds = st.integers(0, 2**32 - 1)
counts = st.sampled_from([FOLDS, FOLDS_OF_FEW])


def _random(
    rng: np.random.Generator, count: int, classes: int, scenes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups, digests and labels; now and then a group has images of two classes."""
    found = rng.integers(0, scenes, count)
    labels = np.where(rng.random(count) < 0.1, found + 1, found) % classes
    digests = rng.integers(0, 2**64, count, np.uint64)
    copies = np.flatnonzero(rng.random(count) < 0.2)
    for copy in copies:  # equal contents are in one group
        digests[copy] = digests[np.flatnonzero(found == found[copy])[0]]
    return found, digests, labels


def test_up_to_500_images_have_ten_folds_and_more_five() -> None:
    assert [fold_count(images) for images in (1, 500, 501, 100_000)] == [10, 10, 5, 5]


@given(seeds, st.integers(1, 60), st.integers(1, 8), st.integers(1, 40), counts)
@example(seed=1754, count=8, classes=4, scenes=4, parts=5)
@example(seed=2153208415, count=25, classes=5, scenes=1, parts=5)
def test_every_class_of_two_contents_is_in_two_folds(
    seed: int, count: int, classes: int, scenes: int, parts: int
) -> None:
    found, digests, labels = _random(np.random.default_rng(seed), count, classes, scenes)
    chosen = folds(found, digests, labels, parts)
    for label in np.unique(labels):
        mine = labels == label
        if len(np.unique(digests[mine])) > 1:
            assert len(np.unique(chosen[mine])) > 1


@given(seeds, st.integers(1, 60), st.integers(1, 8), st.integers(1, 40), counts)
def test_a_group_is_in_one_fold_unless_it_is_a_whole_class(
    seed: int, count: int, classes: int, scenes: int, parts: int
) -> None:
    found, digests, labels = _random(np.random.default_rng(seed), count, classes, scenes)
    chosen, separated = folds(found, digests, labels, parts), alike(found, labels)
    for group in np.unique(found):
        mine = (found == group) & ~np.isin(labels, separated)
        assert len(np.unique(chosen[mine])) <= 1


@given(seeds, st.integers(1, 60), st.integers(1, 8), st.integers(1, 40))
def test_the_order_of_the_images_and_of_the_classes_does_not_matter(
    seed: int, count: int, classes: int, scenes: int
) -> None:
    rng = np.random.default_rng(seed)
    found, digests, labels = _random(rng, count, classes, scenes)
    order = rng.permutation(count)
    renamed = rng.permutation(int(labels.max()) + 1)[labels]
    again = folds(found[order], digests[order], renamed[order])
    np.testing.assert_array_equal(again, folds(found, digests, labels)[order])


@given(seeds, st.integers(200, 1000))
def test_no_image_changes_its_fold_when_other_scenes_are_added_or_removed(
    seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    found, labels = rng.integers(0, count // 2, count), rng.integers(0, 3, count)
    digests = rng.integers(0, 2**64, count, np.uint64)
    stays = rng.permutation(count // 2)[: count // 3]
    kept = np.isin(found, stays)
    whole = folds(found, digests, labels)
    fewer = folds(found[kept], digests[kept], labels[kept])
    np.testing.assert_array_equal(fewer, whole[kept])
